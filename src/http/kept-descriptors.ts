import { readFileSync } from 'node:fs'
import { errnoOf } from '../kernel/index.js'

/** Files that are kept open by default, and which part of all descriptors they may be: connections need the others. */
const KEPT_FILES = 16_384
const KEPT_PART = 1 / 2
/** Files that are let go at once where no descriptor is left. */
const LET_GO = 16
const EXHAUSTED = new Set(['EMFILE', 'ENFILE'].map(name => -errnoOf(name)))

/** Who keeps descriptors that could be opened again: a site's cache. */
export interface DescriptorKeeper {
  /** How many. */
  readonly descriptors: number
  /** Lets the oldest go. @returns false where there is none, or but one that must stay */
  dropOldest(last: boolean): boolean
}

/** The part of the process's descriptors that each of so many threads may keep. @see proc_pid_limits(5) */
function shareOf(threads: number): number {
  let limits = ''
  try {
    limits = readFileSync('/proc/self/limits', 'latin1')
  } catch {
    // Without /proc, files are let go once there is no descriptor left.
  }
  const most = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Infinity)
  return Math.max(1, Math.floor((most * KEPT_PART) / threads))
}

/** The default of `cacheEntries` for each of so many threads. */
export function keptFiles(threads = 1): number {
  return Math.max(1, Math.min(Math.floor(KEPT_FILES / threads), shareOf(threads)))
}

/**
 * The descriptors that all sites of a thread keep: together no more than its part of the process's, however many sites
 * there are. Beyond it, whoever keeps most lets the oldest go.
 */
class KeptDescriptors {
  readonly #keepers = new Set<DescriptorKeeper>()
  #limit: number | undefined
  #kept = 0

  /** So many threads share the process's descriptors. */
  share(threads: number): void {
    this.#limit = shareOf(threads)
  }

  join(keeper: DescriptorKeeper): void {
    this.#keepers.add(keeper)
  }

  leave(keeper: DescriptorKeeper): void {
    this.#keepers.delete(keeper)
  }

  /** So many are kept from now on, or no more where it is negative. */
  count(descriptors: number): void {
    this.#kept += descriptors
  }

  /** Lets the oldest go until no more are kept than may be, but the last one of each keeper. */
  bound(): void {
    this.#limit ??= shareOf(1)
    while (this.#kept > this.#limit && this.#dropOne(false)) {}
  }

  #dropOne(last: boolean): boolean {
    let most: DescriptorKeeper | undefined
    for (const keeper of this.#keepers) if (keeper.descriptors > (most?.descriptors ?? 0)) most = keeper
    return most?.dropOldest(last) ?? false
  }

  /**
   * Something could not be opened.
   *
   * @param error -errno
   * @returns whether it is worth another try: it was for want of a descriptor, and some were let go
   */
  yield(error: number | undefined): boolean {
    if (error === undefined || !EXHAUSTED.has(error)) return false
    let dropped = 0
    while (dropped < LET_GO && this.#dropOne(true)) dropped++
    return dropped > 0
  }
}

/** Those of this thread. */
export const keptDescriptors = new KeptDescriptors()
