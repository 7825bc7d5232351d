import type { BigIntStats, Stats } from 'node:fs'
import { offloadJobs } from '../engine/index.js'
import { AbortError, AT, checkObject, invalidArgType, invalidArgValue, systemError } from '../kernel/index.js'
import { checkBoolean, checkSignal } from './arguments.js'
import { filePath, type PathLike, shownPath } from './open-flags.js'
import { PathSlice } from './path-slice.js'
import { bigIntStatsOf, statsOf } from './stats.js'

/** What `statBatch()` is told. */
export interface StatBatchOptions {
  /** Every number as a BigInt, and times to the nanosecond. */
  bigint?: boolean | undefined
  /** Whether a symbolic link stands for what it leads to, as in stat(2). True by default; otherwise as lstat(2). */
  followLinks?: boolean | undefined
  signal?: AbortSignal | undefined
}

/**
 * Slices under way at once: enough to keep the threads busy while this one reads answers. The ring is not used: its
 * statx takes a worker for each file, which costs more than the call.
 */
const SLICES = 8

/**
 * Asks about many files. A file that cannot be asked about has the error, as `fs.promises.stat()` would reject with, in
 * its place.
 *
 * @param paths in any number; they are taken as they are needed
 * @returns stats or errors, in the order of the paths; rejects only with an argument error or `AbortError`
 * @see statx(2)
 */
export function statBatch(
  paths: Iterable<PathLike>,
  options: StatBatchOptions & { bigint: true },
): Promise<(BigIntStats | Error)[]>
export function statBatch(
  paths: Iterable<PathLike>,
  options?: StatBatchOptions & { bigint?: false | undefined },
): Promise<(Stats | Error)[]>
export async function statBatch(
  paths: Iterable<PathLike>,
  options: StatBatchOptions = {},
): Promise<(Stats | BigIntStats | Error)[]> {
  checkObject(options)
  const { bigint = false, followLinks = true, signal } = options
  checkBoolean(bigint, 'options.bigint')
  checkBoolean(followLinks, 'options.followLinks')
  checkSignal(signal)
  if (typeof paths !== 'object' || paths === null || !(Symbol.iterator in paths)) {
    throw invalidArgType('paths', 'an instance of Iterable', paths)
  }
  const batch = new Batch(paths[Symbol.iterator](), bigint, followLinks)
  const lanes: Promise<void>[] = []
  while (lanes.length < SLICES && !batch.ended) lanes.push(batch.run(signal))
  // Memory is the kernel's until the last lane is over, also after a failure.
  for (const outcome of await Promise.allSettled(lanes)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
  return batch.results
}

class Batch {
  readonly results: (Stats | BigIntStats | Error)[] = []
  readonly #paths: Iterator<PathLike>
  readonly #make: typeof statsOf | typeof bigIntStatsOf
  readonly #flags: number
  readonly #syscall: string
  /** The path that did not fit into the last slice any more. */
  #next: string | Uint8Array | undefined
  /** No more paths can be taken. */
  ended = false

  constructor(paths: Iterator<PathLike>, bigint: boolean, followLinks: boolean) {
    this.#paths = paths
    this.#make = bigint ? bigIntStatsOf : statsOf
    this.#flags = followLinks ? 0 : AT.SYMLINK_NOFOLLOW
    this.#syscall = followLinks ? 'stat' : 'lstat'
  }

  /** Takes slices of paths until there are none left, or a lane has failed. */
  async run(signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#run(signal)
    } catch (error) {
      this.#leave()
      throw error
    }
  }

  /** Tells whoever gives the paths that no more are wanted, as a loop does that is left early. */
  #leave(): void {
    if (this.ended) return
    this.ended = true
    try {
      this.#paths.return?.()
    } catch {
      // What has failed before is what is told, as in a loop.
    }
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    const slice = new PathSlice()
    const taken: (string | Uint8Array)[] = []
    while (true) {
      if (signal?.aborted) throw new AbortError(signal)
      const start = this.results.length
      slice.clear()
      taken.length = 0
      this.#fill(slice, taken)
      if (slice.count === 0) return
      // Holds their places, for the lanes that fill theirs meanwhile.
      this.results.length = start + slice.count
      await offloadJobs(slice.jobs, slice.count)
      for (let index = 0; index < slice.count; index++) {
        const result = slice.result(index)
        this.results[start + index] =
          result < 0
            ? systemError(result, this.#syscall, { path: shownPath(taken[index] as string) })
            : this.#make(slice.answer)
      }
    }
  }

  #fill(slice: PathSlice, taken: (string | Uint8Array)[]): void {
    while (true) {
      const path = this.#next ?? this.#take()
      this.#next = undefined
      if (path === undefined) return
      if (!slice.add(path, this.#flags)) {
        this.#next = path
        return
      }
      taken.push(path)
    }
  }

  #take(): string | Uint8Array | undefined {
    if (this.ended) return undefined
    // So it stays where this throws.
    this.ended = true
    const { value, done } = this.#paths.next()
    if (done) return undefined
    this.ended = false
    const path = filePath(value)
    if (typeof path === 'string' ? path.includes('\0') : path.includes(0)) {
      throw invalidArgValue('path', path, 'must be a string, Uint8Array, or URL without null bytes')
    }
    return path
  }
}
