import { rename, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { encodeSegmentHeader, SEGMENT, type SegmentHeader, segmentName } from './format.js'
import { type LogEngine, LogFile } from './log-file.js'
import type { LogSettings, Preallocation } from './options.js'

/** File systems that write elsewhere rather than in place, so that preparing the place is in vain. */
const COPY_ON_WRITE: ReadonlySet<number> = new Set([0x9123683e /* Btrfs */, 0x2fc12fc1 /* ZFS */, 0xca451a4e])

const ZEROS_BYTES = 2 ** 20
const NAME = 'spare.tmp'
/** Errors for which a file simply goes unprepared. */
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'ENOTSUP'])

/** Chooses how to prepare segments on the file system of a directory. */
export async function choosePreallocation(
  directory: string,
  wish: LogSettings['preallocate'],
): Promise<Preallocation> {
  if (wish !== 'auto') return wish
  return COPY_ON_WRITE.has((await statfs(directory)).type) ? 'none' : 'zeros'
}

/**
 * Makes a file ready from where it ends: its blocks are written once before they are needed, and to write them again
 * changes no metadata, so that a sync then waits for the data alone.
 *
 * @param hurried whether to leave the rest out
 */
export async function preallocate(
  file: LogFile,
  bytes: number,
  how: Preallocation,
  hurried: () => boolean = () => false,
): Promise<void> {
  const size = await file.size()
  if (how === 'none' || size >= bytes || !(await allocate(file, bytes)) || how === 'extents') return
  const zeros = new Uint8Array(new ArrayBuffer(Math.min(ZEROS_BYTES, bytes - size)))
  for (let at = size; at < bytes && !hurried(); at += zeros.length) {
    await file.write(zeros.subarray(0, Math.min(zeros.length, bytes - at)), at)
  }
  await file.sync()
}

/** @returns false where there is no room for all of it, or no such operation: records may fit all the same */
async function allocate(file: LogFile, bytes: number): Promise<boolean> {
  try {
    await file.allocate(bytes)
    return true
  } catch (error) {
    if (NO_ROOM.has((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
}

/** A file that is made ready while another is written, to become the next segment. */
export class Spare {
  readonly #path: string
  readonly #directory: string
  readonly #ready: Promise<LogFile>
  #hurried = false

  /** Begins to make it. A failure shows in `become()`. */
  constructor(engine: () => LogEngine, directory: string, bytes: number, how: Preallocation) {
    this.#directory = directory
    this.#path = join(directory, NAME)
    this.#ready = this.#make(engine, bytes, how)
    this.#ready.catch(() => {}) // It is become() that reports.
  }

  async #make(engine: () => LogEngine, bytes: number, how: Preallocation): Promise<LogFile> {
    const file = await LogFile.open(engine, this.#path, 'w+')
    try {
      await preallocate(file, bytes, how, () => this.#hurried)
      return file
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /**
   * Makes it a segment. Its name is durable only after `syncDirectory()`.
   *
   * @param hurried leaves out the rest of what would be made ready
   * @throws the system error of what it took; then nothing has changed but that the spare is of no use any more
   */
  async become(header: SegmentHeader, hurried: boolean): Promise<LogFile> {
    this.#hurried = hurried
    const file = await this.#ready
    const path = join(this.#directory, segmentName(header.base))
    try {
      await file.write(encodeSegmentHeader(header), SEGMENT.MAGIC)
      await file.sync()
      await rename(this.#path, path)
      return file.at(path)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Removes it. */
  async discard(): Promise<void> {
    this.#hurried = true
    const file = await this.#ready.catch(() => undefined)
    if (file === undefined) return
    await file.close()
    await unlink(this.#path)
  }
}
