/** How long a run of the lab may take, and in which portions. */
export interface Pace {
  /** All of it, in milliseconds. */
  totalMs: number
  /** Times that the speed of every row is measured. */
  passes: number
  /** A lap's slice of time at most, and at least, in milliseconds. */
  longestMs: number
  shortestMs: number
  /** Whether the rows of a goal share a process: starting one for each would take longer than measuring. */
  share: boolean
}

/** The default run: done within a minute. */
export const FULL: Pace = { totalMs: 47_000, passes: 3, longestMs: 500, shortestMs: 40, share: false }

/** `--quick`. */
export const QUICK: Pace = { totalMs: 9_000, passes: 1, longestMs: 250, shortestMs: 25, share: true }

/** The lap of each row in which it is counted what it costs. */
const COUNTED = 1
/** What starting a row's process takes, before one has been seen. */
const USUAL_START_MS = 60

/** What a lap costs beside its slice, before one has been seen. */
const USUAL_OVERHEAD_MS = 40
/** How much the last lap's overhead says about the next one's. */
const NEWEST = 0.3

/**
 * Parts the time that there is among the laps that are to be run: a slow machine has shorter laps and fewer of them,
 * not a longer run.
 */
export class Schedule {
  /** Times that each row of the present group is run. */
  passes: number
  readonly #pace: Pace
  readonly #beganMs = performance.now()
  /** Rows of groups that have not begun. */
  #rowsLeft: number
  /** Laps of the present group. */
  #lapsLeft = 0
  /** What starting a row's process takes. */
  #startMs = USUAL_START_MS
  #overheadMs = USUAL_OVERHEAD_MS

  /** @param rows that will be run */
  constructor(pace: Pace, rows: number) {
    this.#pace = pace
    this.#rowsLeft = rows
    this.passes = pace.passes
  }

  /** Whether the rows of a goal share a process. */
  get sharing(): boolean {
    return this.#pace.share
  }

  /** Since the beginning, in milliseconds. */
  get elapsedMs(): number {
    return performance.now() - this.#beganMs
  }

  get #remainingMs(): number {
    return this.#pace.totalMs - this.elapsedMs
  }

  /** Laps to come, as far as one can tell. */
  get lapsLeft(): number {
    return this.#lapsLeft + this.#rowsLeft * (this.passes + COUNTED)
  }

  /** A group of rows begins: their processes are started. */
  begin(rows: number): void {
    const lap = this.#overheadMs + this.#pace.shortestMs
    const laps = (this.#remainingMs / this.#rowsLeft - this.#startMs) / lap
    this.passes = Math.max(1, Math.min(this.#pace.passes, Math.floor(laps) - COUNTED))
    this.#rowsLeft -= rows
    this.#lapsLeft = rows * (this.passes + COUNTED)
  }

  /** The processes of a group have started. @param wallMs that it took */
  started(rows: number, wallMs: number): void {
    this.#startMs = wallMs / rows
  }

  /** How long the next lap's slice is, in milliseconds. */
  slice(): number {
    const each = (this.#remainingMs - this.#rowsLeft * this.#startMs) / Math.max(1, this.lapsLeft)
    return Math.max(this.#pace.shortestMs, Math.min(this.#pace.longestMs, each - this.#overheadMs))
  }

  /** A lap has been run. @param wallMs that it took with everything around it */
  ran(sliceMs: number, wallMs: number): void {
    this.#lapsLeft--
    const overhead = Math.max(0, wallMs - sliceMs)
    this.#overheadMs += (overhead - this.#overheadMs) * NEWEST
  }

  /** Laps of this group that will not be run. */
  skip(laps: number): void {
    this.#lapsLeft -= laps
  }

  /** Whether the time is up, so that no further pass is begun. */
  get late(): boolean {
    return this.#remainingMs < 0
  }
}
