import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { storageOf } from '../observe/index.js'
import { MIB } from './sizes.js'

/** File systems that are memory: nothing there is ever uncached, and there is no device to go to directly. */
const IN_MEMORY = new Set(['tmpfs', 'ramfs', 'devtmpfs'])
/** What must stay free beside the file itself. */
const RESERVE = 64 * MIB
/** Smaller than this, a file is over before anything can be measured. */
const LEAST = 16 * MIB

function usable(folder: string, bytes: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(folder)
    if (bavail * bsize < bytes + RESERVE) return false
    // Permission bits do not tell of read-only mounts: trying does.
    rmdirSync(mkdtempSync(join(folder, '.sluice-lab-')))
    return true
  } catch {
    return false
  }
}

/**
 * A folder for temporary files: beside `file` where that may be written, else one on a device, else any.
 *
 * @param bytes that must have room
 * @returns undefined where there is none
 */
export function scratchFolder(bytes: number, file?: string): string | undefined {
  const beside = file === undefined ? [] : [dirname(realpathSync(file))]
  const others = [tmpdir(), '/var/tmp', process.cwd(), homedir()]
  const fits = [...beside, ...others].filter(folder => usable(folder, bytes))
  const onDevice = fits.find(
    folder => beside.includes(folder) || !IN_MEMORY.has(storageOf(folder).fileSystem),
  )
  return onDevice ?? fits[0]
}

/** Different in every MiB, and nothing that a device could compress. */
function* noise(): Generator<Uint8Array> {
  const words = new Uint32Array(MIB / 4)
  const block = new Uint8Array(words.buffer)
  let state = 0x9e3779b9
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[index] = state
  }
  for (let number = 0; ; number++) {
    words[0] = number
    yield block
  }
}

/**
 * A temporary file that no way of ending can leave behind: its name is taken away as soon as it is open, and the
 * kernel frees it with the last descriptor, also after a Ctrl-C or a kill.
 */
export class ScratchFile {
  readonly fd: number
  /** Bytes that were written. Fewer than were asked for where the device is too slow to write them in time. */
  readonly size: number
  readonly #folder: string

  /**
   * Writes it, whole MiB of noise, through to the device.
   *
   * @param folder see {@link scratchFolder}
   * @param timeMs after which no more than the least is written
   * @throws the system error of open(2) or write(2)
   */
  constructor(folder: string, bytes: number, timeMs: number) {
    this.#folder = mkdtempSync(join(folder, '.sluice-lab-'))
    const path = join(this.#folder, 'data')
    this.fd = openSync(path, 'wx+', 0o600)
    try {
      unlinkSync(path)
      rmdirSync(this.#folder)
    } catch {
      // NFS keeps a name for an open file; close() removes what is left.
    }
    try {
      this.size = this.#write(Math.ceil(bytes / MIB) * MIB, performance.now() + timeMs)
    } catch (error) {
      this.close()
      throw error
    }
  }

  #write(bytes: number, deadline: number): number {
    const blocks = noise()
    let written = 0
    while (written < bytes && (written < LEAST || performance.now() < deadline)) {
      const block = blocks.next().value as Uint8Array
      for (let done = 0; done < MIB; ) done += writeSync(this.fd, block, done, MIB - done, written + done)
      written += MIB
      // Every so often, so that the clock counts the device and not the cache.
      if (written % (16 * MIB) === 0) fdatasyncSync(this.fd)
    }
    fdatasyncSync(this.fd)
    return written
  }

  /** Lets it go. */
  close(): void {
    closeSync(this.fd)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
