import { engine, offloadJobs } from '../engine/index.js'
import {
  AT,
  addressOf,
  eachDirent,
  JOB_WORDS,
  jobResult,
  O,
  OPEN_HOW,
  openHow,
  pathBytes,
  RESOLVE,
  SYSCALL,
  syscall,
  systemError,
  writeJob,
} from '../kernel/index.js'
import { prepareOpenAt } from '../ring/index.js'
import { shownPath } from './open-flags.js'

/** Bytes of entries that one call gives: some hundred files. */
const CALL_BYTES = 32768
/** Calls made in one go: the second one mostly finds that there is no more. */
const CALLS = 2

/** The memory that folders are read through, one after the other. */
export class FolderBuffer {
  readonly jobs = new Int32Array(new ArrayBuffer(CALLS * JOB_WORDS * 4))
  readonly bytes = Buffer.from(new ArrayBuffer(CALLS * CALL_BYTES))
  readonly address = addressOf(this.bytes)
}

/** Is told of each entry: its name, the name's bytes where they are no UTF-8, and its type, of `DT`. */
export type EntryCallback = (name: string, bytes: Buffer | undefined, type: number) => void

/** What a byte that is no UTF-8 becomes. */
const REPLACEMENT = '\ufffd'

/** Reads a folder piece by piece, never on this thread. */
export class FolderReader {
  readonly #shown: string
  readonly #fd: number
  readonly #buffer: FolderBuffer

  private constructor(shown: string, fd: number, buffer: FolderBuffer) {
    this.#shown = shown
    this.#fd = fd
    this.#buffer = buffer
  }

  /** Opens a folder. @param followLink whether the path may be a link to it */
  static async open(
    path: string | Uint8Array,
    followLink: boolean,
    buffer: FolderBuffer,
  ): Promise<FolderReader> {
    const bytes = pathBytes(path)
    const shown = shownPath(path)
    const flags = O.RDONLY | O.DIRECTORY | O.CLOEXEC | (followLink ? 0 : O.NOFOLLOW)
    const fd = openCached(bytes, flags)
    return new FolderReader(shown, fd >= 0 ? fd : await openLater(bytes, flags, shown), buffer)
  }

  /** Reads the next entries, some hundred at most. @returns whether there may be more */
  async read(entry: EntryCallback): Promise<boolean> {
    const { jobs, bytes, address } = this.#buffer
    for (let call = 0; call < CALLS; call++) {
      const at = call * JOB_WORDS
      writeJob(jobs, at, SYSCALL.getdents64, 0, this.#fd, address + call * CALL_BYTES, CALL_BYTES)
    }
    await offloadJobs(jobs, CALLS)
    for (let call = 0; call < CALLS; call++) {
      const length = jobResult(jobs, call * JOB_WORDS)
      if (length < 0) throw systemError(length, 'scandir', { path: this.#shown })
      if (length === 0) return false
      const base = call * CALL_BYTES
      eachDirent(bytes.subarray(base, base + length), length, (start, end, type) => {
        const name = bytes.toString('utf8', base + start, base + end)
        const strange = name.includes(REPLACEMENT)
        entry(name, strange ? Buffer.from(bytes.subarray(base + start, base + end)) : undefined, type)
      })
    }
    return true
  }

  /** Closes the folder. Nothing is written back for one, so that it does not block. */
  close(): void {
    const result = syscall('close', this.#fd)
    if (result < 0) throw systemError(result, 'closedir', { path: this.#shown })
  }
}

/** Opens what the kernel has in its caches, here and now: it costs less than asking a thread. @returns -errno if not */
function openCached(path: Uint8Array, flags: number): number {
  return syscall('openat2', AT.FDCWD, path, openHow(flags, 0, RESOLVE.CACHED), OPEN_HOW.SIZE)
}

function openLater(bytes: Uint8Array, flags: number, path: string): Promise<number> {
  return engine().run((queue, userData) => prepareOpenAt(queue, AT.FDCWD, bytes, flags, 0, userData), {
    syscall: 'opendir',
    details: { path },
    held: bytes,
    discard: late => syscall('close', late),
  })
}
