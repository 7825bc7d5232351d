import { offloadJobs } from '../../engine/index.js'
import {
  AT,
  addressOf,
  JOB_WORDS,
  O,
  resultOf,
  S,
  STATX,
  STATX_SIZE,
  StatxView,
  SYSCALL,
  type SyscallName,
  syscall,
  writeJob,
} from '../../kernel/index.js'
import type { Copying } from './copying.js'
import { GROUP_FILES } from './file-group.js'
import type { Folder } from './folder.js'
import { EMPTY_PATH, type Name } from './name.js'

/** Files that are copied in one crossing. */
const CAPACITY = GROUP_FILES
/** What is read of each: a file must be smaller. */
const SLAB_BYTES = 32768
const READ = O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.CLOEXEC
const WRITE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC

/** The jobs of each file. */
const JOB = { OPEN: 0, STAT: 1, READ: 2, MAKE: 3, WRITE: 4, CLOSE: 5, CLOSE_SOURCE: 6, COUNT: 7 } as const
const FILE_WORDS = JOB.COUNT * JOB_WORDS
/** Of a job, the word in which an argument begins; the words before the first are its number, and then its result. */
const ARGUMENT = [2, 4, 6, 8] as const
const HIGH = 2 ** 32

/**
 * Copies small files into a folder that nobody sees yet, a few dozen in one crossing: open, look, read, make, write,
 * close.
 *
 * A file's mode is known only when it has been opened. So its copy is made with the mode of the file before it, and
 * changed where that was wrong: nobody can open it meanwhile. What is not small and plain, or fails, is removed again
 * and left to whoever takes more care.
 */
export class SmallFiles {
  readonly #copying: Copying
  /** The jobs of as many files; only names, folders and modes change. */
  readonly #template = new Int32Array(CAPACITY * FILE_WORDS)
  readonly #words = new Int32Array(new ArrayBuffer(CAPACITY * FILE_WORDS * 4))
  readonly #stats = new StatxView(new ArrayBuffer(CAPACITY * STATX_SIZE))
  readonly #slabs = new Uint8Array(new ArrayBuffer(CAPACITY * SLAB_BYTES))
  #mode = 0o644

  constructor(copying: Copying) {
    this.#copying = copying
    const slabs = addressOf(this.#slabs)
    const stats = addressOf(this.#stats.buffer)
    for (let file = 0; file < CAPACITY; file++) {
      const first = file * JOB.COUNT
      const slab = slabs + file * SLAB_BYTES
      const add = (job: number, name: SyscallName, ...args: number[]) =>
        writeJob(this.#template, (first + job) * JOB_WORDS, SYSCALL[name], 0, ...args)
      const [source, target] = [resultOf(first + JOB.OPEN), resultOf(first + JOB.MAKE)]
      const stat = stats + file * STATX_SIZE
      add(JOB.OPEN, 'openat', 0, 0, READ)
      add(JOB.STAT, 'statx', source, EMPTY_PATH.address, AT.EMPTY_PATH, STATX.BASIC_STATS, stat)
      add(JOB.READ, 'pread64', source, slab, SLAB_BYTES, 0)
      add(JOB.MAKE, 'openat', 0, 0, WRITE)
      add(JOB.WRITE, 'pwrite64', target, slab, resultOf(first + JOB.READ), 0)
      add(JOB.CLOSE, 'close', target)
      add(JOB.CLOSE_SOURCE, 'close', source)
    }
  }

  /**
   * Copies regular files of a folder, {@link GROUP_FILES} at most.
   *
   * @returns those that were not for it
   */
  async copy(folder: Folder, names: readonly Name[]): Promise<Name[]> {
    const words = this.#words
    words.set(this.#template.subarray(0, names.length * FILE_WORDS))
    for (let file = 0; file < names.length; file++) {
      const { address } = names[file]
      const open = file * FILE_WORDS + JOB.OPEN * JOB_WORDS
      const make = file * FILE_WORDS + JOB.MAKE * JOB_WORDS
      words[open + ARGUMENT[0]] = folder.source
      words[open + ARGUMENT[1]] = address
      words[open + ARGUMENT[1] + 1] = address / HIGH
      words[make + ARGUMENT[0]] = folder.target
      words[make + ARGUMENT[1]] = address
      words[make + ARGUMENT[1] + 1] = address / HIGH
      words[make + ARGUMENT[3]] = this.#mode
    }
    await offloadJobs(words, names.length * JOB.COUNT)
    const odd: Name[] = []
    let bytes = 0
    for (let file = 0; file < names.length; file++) {
      const copied = this.#settle(folder, names[file], file)
      if (copied < 0) odd.push(names[file])
      else {
        bytes += copied
        this.#copying.copied(folder, names[file])
      }
    }
    this.#copying.countMany('buffer', names.length - odd.length, bytes)
    return odd
  }

  /** @returns bytes of the copy, or -1 where there is none */
  #settle(folder: Folder, name: Name, file: number): number {
    const words = this.#words
    const at = file * FILE_WORDS
    const read = words[at + JOB.READ * JOB_WORDS]
    const stats = this.#stats
    stats.moveTo(file * STATX_SIZE)
    const isWhole =
      words[at + JOB.STAT * JOB_WORDS] === 0 &&
      read < SLAB_BYTES &&
      read === stats.size &&
      read === words[at + JOB.WRITE * JOB_WORDS] &&
      words[at + JOB.CLOSE * JOB_WORDS] === 0
    if (!isWhole || (stats.mode & S.IFMT) !== S.IFREG || stats.blocks * 512 < read) {
      if (words[at + JOB.MAKE * JOB_WORDS] >= 0) this.#copying.discard(folder, name)
      return -1
    }
    const mode = stats.mode & 0o777
    if (mode === words[at + JOB.MAKE * JOB_WORDS + ARGUMENT[3]]) return read
    this.#mode = mode
    if (syscall('fchmodat', folder.target, name.address, mode & ~this.#copying.umask) === 0) return read
    this.#copying.discard(folder, name)
    return -1
  }
}
