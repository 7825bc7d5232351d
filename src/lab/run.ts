import { openMeter } from '../observe/index.js'
import { resultOf } from './aggregate.js'
import { GOALS, type Row } from './catalogue.js'
import type { LabFile } from './files.js'
import type { CountedLap, LapRequest, TimedLap } from './lap-report.js'
import { settingOf } from './measure.js'
import type { RowReport } from './report.js'
import { RowProcess } from './row-process.js'
import type { Schedule } from './schedule.js'

/** How far the lab has come. */
export interface LabProgress {
  /** Laps that are done, of how many. */
  done: number
  total: number
  elapsedMs: number
  /** What is next: a row. */
  row: string
}

/** A lap that has not ended by then hangs. */
const LAP_TIMEOUT_MS = 15_000

/** One row in the course of a run. */
interface Runner {
  row: Row
  size: number
  start(): RowProcess
  /** Its own, or one that it shares with the other rows of its goal. */
  process: RowProcess
  counted: CountedLap[]
  timed: TimedLap[]
  reason: string | undefined
}

/** The laps of a run, goal by goal. */
export class Run {
  readonly #schedule: Schedule
  readonly #signal: AbortSignal
  readonly #onProgress: (progress: LabProgress) => void
  readonly #notes = new Set<string>()
  #done = 0

  constructor(
    schedule: Schedule,
    signal: AbortSignal = new AbortController().signal,
    onProgress: (progress: LabProgress) => void = () => {},
  ) {
    this.#schedule = schedule
    this.#signal = signal
    this.#onProgress = onProgress
  }

  /** What could not be counted, and why; how mechanisms ran that had a choice. */
  get notes(): string[] {
    return [...this.#notes]
  }

  /**
   * Measures the rows of one goal, pass by pass, so that what disturbs the machine strikes all of them alike.
   *
   * @param file undefined where there was no room for one
   * @throws the reason of the run's signal
   */
  async group(rows: readonly Row[], file: LabFile | undefined): Promise<RowReport[]> {
    const schedule = this.#schedule
    schedule.begin(rows.length)
    if (file === undefined) {
      schedule.skip(schedule.lapsLeft)
      return rows.map(row => reportOf(row, row.size, 'no folder has room for a temporary file to write to'))
    }
    const runners = await this.#start(rows, file)
    try {
      await this.#count(runners)
      for (let pass = 1; pass <= schedule.passes; pass++) {
        // There and back again: what always ran after the same neighbour would inherit its leavings.
        const order = pass % 2 === 0 ? runners.toReversed() : runners
        await this.#pass(order, 'timed', pass)
      }
    } finally {
      await Promise.all(runners.map(({ process }) => process.close()))
    }
    this.#signal.throwIfAborted()
    return runners.map(runner => reportOf(runner.row, runner.size, runner.reason, runner))
  }

  async #start(rows: readonly Row[], file: LabFile): Promise<Runner[]> {
    const before = performance.now()
    const start = () => new RowProcess(file.fd, file.bytes)
    const shared = this.#schedule.sharing ? start() : undefined
    const runners = rows.map((row): Runner => {
      const { size } = settingOf(row, '', file.bytes)
      return { row, size, start, process: shared ?? start(), counted: [], timed: [], reason: undefined }
    })
    const processes = new Set(runners.map(({ process }) => process))
    await Promise.all([...processes].map(process => process.ready()))
    this.#schedule.started(rows.length, performance.now() - before)
    return runners
  }

  /**
   * The pass in which system calls are counted. A tracepoint is slow to install and to remove, so it is held here until
   * the last row has used it.
   */
  async #count(runners: readonly Runner[]): Promise<void> {
    const holder = openMeter()
    try {
      await this.#pass(runners, 'counted', 0)
    } finally {
      holder.close()
    }
  }

  async #pass(runners: readonly Runner[], kind: LapRequest['kind'], pass: number): Promise<void> {
    for (const runner of runners) {
      this.#signal.throwIfAborted()
      if (pass > 1 && this.#schedule.late) return
      if (runner.reason === undefined) await this.#lap(runner, kind, pass)
      else this.#schedule.skip(1)
    }
  }

  async #lap(runner: Runner, kind: LapRequest['kind'], seed: number): Promise<void> {
    const schedule = this.#schedule
    this.#onProgress({
      done: this.#done,
      total: this.#done + schedule.lapsLeft,
      elapsedMs: schedule.elapsedMs,
      row: `${GOALS[runner.row.goal]}: ${runner.row.name}`,
    })
    const sliceMs = schedule.slice()
    const before = schedule.elapsedMs
    if (!runner.process.isAlive) {
      // Another row of the same process has ended it.
      runner.process = runner.start()
      await runner.process.ready()
    }
    const request = { row: runner.row.id, kind, sliceMs, seed }
    const answer = await runner.process.lap(request, LAP_TIMEOUT_MS, this.#signal)
    schedule.ran(sliceMs, schedule.elapsedMs - before)
    this.#done++
    if (!('lap' in answer)) {
      runner.reason = 'unavailable' in answer ? answer.unavailable : `it failed: ${answer.failed}`
      return
    }
    const { lap } = answer
    const tallies = lap.kind === 'counted' ? lap.tallies : [lap.tally]
    if (tallies.some(({ operations }) => operations === 0)) {
      runner.reason = 'not one operation ended in the time there was'
    } else if (lap.kind === 'counted') {
      for (const note of lap.notes) this.#notes.add(note)
      runner.counted.push(lap)
    } else {
      runner.timed.push(lap)
    }
  }
}

function reportOf(
  row: Row,
  size: number,
  reason: string | undefined,
  laps?: Pick<Runner, 'counted' | 'timed'>,
): RowReport {
  const { id, name, goal, mechanism, depth } = row
  const head = {
    id,
    name,
    mechanism: mechanism.name,
    about: mechanism.about,
    node: mechanism.node === true,
    goal,
    size,
    depth,
  }
  if (laps === undefined || laps.counted.length === 0 || laps.timed.length === 0) {
    return { ...head, reason: reason ?? 'the time was up before it' }
  }
  return { ...head, result: resultOf(row, size, laps.counted, laps.timed) }
}
