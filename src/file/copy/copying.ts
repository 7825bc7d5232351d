import { AbortError, errnoOf, type StatxView, syscall, systemError } from '../../kernel/index.js'
import { type Name, nameOf, showPath } from './name.js'
import type { CopyMethod, CopyOptions, CopyReport } from './options.js'

/** A folder that is open, as far as the copy as a whole is concerned with it. */
export interface OpenFolder {
  /** What is to be removed where the copy ends early: the path of what has no final name yet. */
  readonly remains: Uint8Array | undefined
  /** Where something in it is. */
  sourcePath(name: Name): Uint8Array
  /** Where something in it goes. */
  targetPath(name: Name, finally_?: boolean): Uint8Array
  close(): void
}

/** A folder in which what is not complete stands, and which others may see. */
export interface TargetFolder extends OpenFolder {
  readonly target: number
  readonly isPublic: boolean
}

/** Something not complete that could not be removed. */
export interface Leftover {
  /** Where it is. */
  path: string
  error: NodeJS.ErrnoException
  /** Whether it is not in a folder that is removed as a whole where the copy ends early. */
  isAlone: boolean
}

const ENOENT = -errnoOf('ENOENT')

/** Where something has been copied to. */
export interface Place {
  folder: OpenFolder
  name: Name
}

/** One copy under way: its options, what this process may do, and what has come of it so far. */
export class Copying {
  readonly preserve: boolean
  readonly reflink: 'auto' | 'always' | 'never'
  readonly via: CopyOptions['via']
  readonly overwrite: 'always' | 'never' | 'older'
  readonly oneFileSystem: boolean
  readonly umask = process.umask()
  readonly isRoot = process.geteuid?.() === 0
  readonly uid = process.geteuid?.() ?? 0
  readonly gid = process.getegid?.() ?? 0
  readonly report: CopyReport = {
    files: 0,
    bytes: 0,
    directories: 0,
    links: 0,
    skipped: 0,
    failures: [],
    methods: {},
  }
  /** Of files with several names: where the first of them has gone, once it has; undefined where that failed. */
  readonly links = new Map<string, Promise<Place | undefined>>()
  readonly #leftovers: { folder: TargetFolder; name: Name; result: number }[] = []
  /** Folders that are open. */
  readonly folders = new Set<OpenFolder>()
  /** Device and inode of the folders that the copy goes into: none of them is copied itself. */
  readonly targets = new Set<string>()
  readonly #signal: AbortSignal | undefined
  /** Frees whoever waits for the other end of a stream. Made when somebody does. */
  #stop: AbortController | undefined
  readonly #abort = () => this.#stop?.abort(this.#signal?.reason)
  /** What one of the caller's functions threw. */
  #thrown: { error: unknown } | undefined
  readonly #onProgress: CopyOptions['onProgress']
  readonly #onCopied: CopyOptions['onCopied']
  readonly #reflinks = new Map<string, boolean>()
  /** Not a secret: who takes such a name on purpose makes a copy fail, no more. */
  readonly #token = Math.random().toString(36).slice(2, 10)
  #names = 0

  constructor(options: CopyOptions) {
    this.preserve = options.preserve ?? false
    this.reflink = options.reflink ?? 'auto'
    this.via = options.via
    this.overwrite = options.overwrite ?? 'always'
    this.oneFileSystem = options.oneFileSystem ?? false
    this.#signal = options.signal
    this.#onCopied = options.onCopied
    this.#onProgress = options.onProgress
  }

  /** A name that nobody else uses, for what is not complete. */
  temporaryName(): Name {
    return nameOf(Buffer.from(`.sluice-${this.#token}-${this.#names++}`))
  }

  /** Is aborted when the copy is to end, be it that the caller's signal is or that one of the caller's functions threw. */
  get signal(): AbortSignal {
    if (this.#stop === undefined) {
      this.#stop = new AbortController()
      if (this.#signal?.aborted || this.#thrown !== undefined) this.#abort()
      this.#signal?.addEventListener('abort', this.#abort)
    }
    return this.#stop.signal
  }

  /** Listens to the caller's signal no more. */
  end(): void {
    this.#signal?.removeEventListener('abort', this.#abort)
  }

  /** @throws what one of the caller's functions threw; `AbortError` after the signal */
  checkAborted(): void {
    this.checkCallbacks()
    if (this.#signal?.aborted) throw new AbortError(this.#signal)
  }

  /** @throws what one of the caller's functions threw */
  checkCallbacks(): void {
    if (this.#thrown !== undefined) throw this.#thrown.error
  }

  /** Calls a function of the caller's: what it throws is no failure of the file at hand, but the end of the copy. */
  #tell(call: () => void): void {
    if (this.#thrown !== undefined) return
    try {
      call()
    } catch (error) {
      this.#thrown = { error }
      this.#abort()
    }
  }

  /** Counts contents copied. */
  count(method: CopyMethod, bytes: number): void {
    this.countMany(method, 1, bytes)
  }

  /** Counts the contents of several files copied. */
  countMany(method: CopyMethod, files: number, bytes: number): void {
    if (files === 0) return
    const { report } = this
    report.files += files
    report.bytes += bytes
    report.methods[method] = (report.methods[method] ?? 0) + files
  }

  /** Tells that something has been copied. */
  copied(folder: OpenFolder, name: Name, targetName = name): void {
    if (this.#onCopied === undefined) return
    this.copiedPath(folder.sourcePath(name), folder.targetPath(targetName, true))
  }

  /** As `copied()`, by its paths. */
  copiedPath(from: Uint8Array, to: Uint8Array): void {
    this.#tell(() => this.#onCopied?.(showPath(from), showPath(to)))
  }

  /** Tells how far it is. */
  progress(pendingBytes = 0): void {
    if (this.#onProgress === undefined) return
    const { files, bytes, directories, links } = this.report
    this.#tell(() => this.#onProgress?.({ files, bytes: bytes + pendingBytes, directories, links }))
  }

  /**
   * Notes what could not be copied.
   *
   * @param error -errno of `call`, or what was thrown, whose errno and system call count
   * @throws what is no system error of the copy: an abort, above all
   */
  fail(path: string, dest: string, error: unknown, call = ''): void {
    // It may well be a system error of the caller's own.
    if (this.#thrown?.error === error) throw error
    const thrown = error as NodeJS.ErrnoException
    const isSystem = typeof thrown === 'object' && thrown.errno !== undefined
    if (typeof error !== 'number' && !isSystem) throw error
    const errno = isSystem ? (thrown.errno ?? 0) : (error as number)
    const named = systemError(errno, isSystem ? (thrown.syscall ?? call) : call, { path, dest })
    this.report.failures.push({ path, dest, error: named })
  }

  /** Removes a file that is not complete. */
  discard(folder: TargetFolder, name: Name): void {
    this.discarded(folder, name, syscall('unlinkat', folder.target, name.address, 0))
  }

  /** A file that is not complete was to be removed. @param result of unlinkat(2) */
  discarded(folder: TargetFolder, name: Name, result: number): void {
    if (result < 0 && result !== ENOENT) this.#leftovers.push({ folder, name, result })
  }

  /** What could not be removed again, where it is by now: its folder may have got its name since. */
  get leftovers(): Leftover[] {
    return this.#leftovers.map(({ folder, name, result }) => {
      const path = showPath(folder.targetPath(name))
      return { path, error: systemError(result, 'unlink', { path }), isAlone: folder.isPublic }
    })
  }

  /** Whether extents can be shared between two devices; undefined until it has been tried. */
  canReflink(source: number, target: number): boolean | undefined {
    if (this.reflink === 'never' || this.via !== undefined) return false
    return this.#reflinks.get(`${source}:${target}`)
  }

  /** Remembers whether it could. */
  learnReflink(source: number, target: number, works: boolean): void {
    this.#reflinks.set(`${source}:${target}`, works)
  }

  /** Permission bits for the copy of something. @param isOwned whether it has been given to the owner of the source */
  modeOf(stat: StatxView, isOwned = true): number {
    if (!this.preserve) return stat.mode & 0o777 & ~this.umask
    // Rights that come with the owner are not given to another one.
    const owned = isOwned && (this.isRoot || (stat.uid === this.uid && stat.gid === this.gid))
    return stat.mode & (owned ? 0o7777 : 0o777)
  }
}
