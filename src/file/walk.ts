import type { Stats } from 'node:fs'
import { AbortError, checkInteger, checkObject, DT, invalidArgType, S } from '../kernel/index.js'
import { checkBoolean, checkSignal } from './arguments.js'
import { FolderBuffer, FolderReader } from './folder-reader.js'
import { filePath, type PathLike, shownPath } from './open-flags.js'
import { statBatch } from './stat-batch.js'
import { WalkEntry, type WalkFolder } from './walk-entry.js'

/** How a tree is walked. */
export interface WalkOptions {
  /** Folders being read at once; 16 by default. */
  inFlight?: number | undefined
  /** How far below `root` to go: 0 for only what is in it. Everywhere by default. */
  maxDepth?: number | undefined
  /** Asks for the stats of every entry, too. */
  stats?: boolean | undefined
  /** Whether to go into a folder; by default into every one. */
  enter?: ((folder: WalkEntry) => boolean) | undefined
  /**
   * Told of a folder below `root` that could not be read; the walk goes on. By default it ends with the error, unless
   * the folder has merely gone.
   */
  onError?: ((error: NodeJS.ErrnoException, path: string) => void) | undefined
  signal?: AbortSignal | undefined
}

interface Found {
  readonly name: string
  readonly nameBytes: Buffer | undefined
  readonly type: number
}

/** The type in a directory entry that a mode stands for: its upper bits. */
const typeOfMode = (mode: number) => (mode & S.IFMT) >>> 12

/**
 * Everything below a folder, in no particular order but a folder before what is in it. Links are not followed, save
 * that `root` may be one.
 *
 * Several folders are read at once, on other threads, and no more of them than the caller keeps up with.
 *
 * @returns an async iterable of {@link WalkEntry}; it throws the system error of `opendir` or `scandir`, or `AbortError`
 */
export function walk(root: PathLike, options: WalkOptions = {}): AsyncIterableIterator<WalkEntry> {
  checkObject(options)
  const { inFlight = 16, maxDepth = Number.MAX_SAFE_INTEGER, stats = false, enter, onError, signal } = options
  checkInteger(inFlight, 'options.inFlight', 1, 1024)
  checkInteger(maxDepth, 'options.maxDepth', 0)
  checkBoolean(stats, 'options.stats')
  for (const [name, value] of Object.entries({ enter, onError })) {
    if (value !== undefined && typeof value !== 'function') {
      throw invalidArgType(`options.${name}`, 'of type function', value)
    }
  }
  checkSignal(signal)
  const given = filePath(root)
  const path = shownPath(given)
  const bytes = typeof given === 'string' || Buffer.from(path).equals(given) ? undefined : Buffer.from(given)
  return new Walk({ path, bytes, depth: 0 }, options, inFlight, maxDepth)
}

class Walk implements AsyncIterableIterator<WalkEntry> {
  readonly #options: WalkOptions
  readonly #inFlight: number
  readonly #maxDepth: number
  /** The last one first: so a deep tree needs little memory. */
  readonly #folders: WalkFolder[]
  /** What has been read and not yet been asked for. */
  readonly #found: WalkEntry[][] = []
  /** Readers that wait until something of it has been taken. */
  readonly #blocked: (() => void)[] = []
  readonly #buffers: FolderBuffer[] = []
  #current: WalkEntry[] = []
  #at = 0
  #advancing: Promise<unknown> = Promise.resolve()
  #reading = 0
  #failure: unknown
  #stopped = false
  #wake: (() => void) | undefined

  constructor(root: WalkFolder, options: WalkOptions, inFlight: number, maxDepth: number) {
    this.#folders = [root]
    this.#options = options
    this.#inFlight = inFlight
    this.#maxDepth = maxDepth
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<WalkEntry, undefined>> {
    const value = this.#current[this.#at]
    if (value !== undefined) {
      this.#at++
      return Promise.resolve({ done: false, value })
    }
    // Whoever asks again without waiting comes after who asked before.
    const advance = this.#advancing.then(() =>
      this.#at < this.#current.length ? this.next() : this.#advance(),
    )
    this.#advancing = advance.catch(() => {})
    return advance
  }

  async return(): Promise<IteratorResult<WalkEntry, undefined>> {
    await this.#stop()
    return { done: true, value: undefined }
  }

  async #advance(): Promise<IteratorResult<WalkEntry, undefined>> {
    const { signal } = this.#options
    while (!this.#stopped) {
      if (signal?.aborted) this.#failure = new AbortError(signal)
      this.#start()
      const found = this.#found.shift()
      this.#unblock()
      if (found !== undefined) {
        this.#current = found
        this.#at = 0
        if (found.length > 0) return this.next()
      } else if (this.#reading > 0) {
        await this.#news()
      } else {
        break
      }
    }
    await this.#stop()
    if (this.#failure !== undefined) {
      const failure = this.#failure
      this.#failure = undefined
      throw failure
    }
    return { done: true, value: undefined }
  }

  /** Waits for the last reader: descriptors and memory are in use until then. */
  async #stop(): Promise<void> {
    this.#stopped = true
    this.#current = []
    this.#unblock()
    while (this.#reading > 0) await this.#news()
  }

  #news(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }

  #unblock(): void {
    for (const resume of this.#blocked.splice(0)) resume()
  }

  /** Reads further folders, as long as what has been found is not waiting for its taker. */
  #start(): void {
    while (
      this.#failure === undefined &&
      this.#reading < this.#inFlight &&
      this.#found.length < this.#inFlight &&
      this.#folders.length > 0
    ) {
      this.#reading++
      this.#read(this.#folders.pop() as WalkFolder)
    }
  }

  async #read(folder: WalkFolder): Promise<void> {
    const buffer = this.#buffers.pop() ?? new FolderBuffer()
    try {
      await this.#readAll(folder, buffer)
    } catch (error) {
      this.#fail(error as NodeJS.ErrnoException, folder)
    } finally {
      this.#buffers.push(buffer)
      this.#reading--
      this.#start()
      this.#wake?.()
    }
  }

  #fail(error: NodeJS.ErrnoException, folder: WalkFolder): void {
    const { onError } = this.#options
    const below = folder.depth > 0
    if (below && onError !== undefined) {
      try {
        onError(error, folder.path)
      } catch (own) {
        this.#failure ??= own
      }
    } else if (!(below && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))) {
      this.#failure ??= error
    }
  }

  async #readAll(folder: WalkFolder, buffer: FolderBuffer): Promise<void> {
    const reader = await FolderReader.open(folder.bytes ?? folder.path, folder.depth === 0, buffer)
    try {
      for (let more = true; more && !this.#stopped && this.#failure === undefined; ) {
        const found: Found[] = []
        more = await reader.read((name, nameBytes, type) => found.push({ name, nameBytes, type }))
        this.#take(await this.#entriesOf(folder, found))
        // A huge folder waits here while its entries are being taken.
        while (this.#found.length >= this.#inFlight && !this.#stopped) {
          await new Promise<void>(resolve => this.#blocked.push(resolve))
        }
      }
    } finally {
      reader.close()
    }
  }

  async #entriesOf(folder: WalkFolder, found: Found[]): Promise<WalkEntry[]> {
    const wanted = this.#options.stats === true
    const entries = found.map(
      ({ name, nameBytes, type }) => new WalkEntry(folder, name, nameBytes, type, undefined),
    )
    if (!wanted && found.every(({ type }) => type !== DT.UNKNOWN)) return entries
    const paths = entries.map(entry => entry.exactBytes ?? entry.path)
    const stats = await statBatch(paths, { followLinks: false })
    return found.map(({ name, nameBytes, type }, index) => {
      const each = stats[index] as Stats | Error
      const unknown = type === DT.UNKNOWN && !(each instanceof Error)
      const sure = unknown ? typeOfMode(each.mode) : type
      return new WalkEntry(folder, name, nameBytes, sure, wanted ? each : undefined)
    })
  }

  #take(entries: WalkEntry[]): void {
    this.#found.push(entries)
    try {
      for (const entry of entries) {
        if (this.#enters(entry)) {
          this.#folders.push({ path: entry.path, bytes: entry.exactBytes, depth: entry.depth + 1 })
        }
      }
    } catch (own) {
      // Of the caller's own function: no failure to read a folder.
      this.#failure ??= own
    }
    this.#wake?.()
  }

  #enters(entry: WalkEntry): boolean {
    const { enter } = this.#options
    if (!entry.isDirectory() || entry.depth >= this.#maxDepth) return false
    return enter === undefined || enter(entry)
  }
}
