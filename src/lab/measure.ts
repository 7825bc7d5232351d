import { closeSync, openSync } from 'node:fs'
import { SluiceError } from '../kernel/index.js'
import { type Cost, type Meter, openMeter, type Residency } from '../observe/index.js'
import type { Row } from './catalogue.js'
import { Lap, shuffled } from './lap.js'
import type { CostName, CountedLap, LapRequest, Tally, TimedLap } from './lap-report.js'
import { LatencyRecorder } from './latency.js'
import type { Setting, Workload } from './mechanism.js'
import { evict, fill, settle } from './page-state.js'

/** Parts of a counted lap, after one that only warms it up: V8's compiler makes system calls of its own. */
const COUNTED_PARTS = 3
/** Laps within a slice, where the file is over before the time is. */
const MAX_LAPS = 25
/** Pages that may remain of an evicted file before it can no longer be called uncached. */
const MAX_REMAINDER = 0.1

function add(tally: Tally, lap: Lap, cost: Cost): void {
  tally.operations += lap.operations
  tally.bytes += lap.bytes
  for (const [name, measured] of Object.entries(cost) as [CostName, Cost['elapsedNs']][]) {
    tally.totals[name] = (tally.totals[name] ?? 0) + measured.value
    tally.methods[name] = measured.method
  }
}

/** What a row runs with, on this file. A file smaller than one operation makes the operation smaller. */
export function settingOf(row: Row, path: string, window: number): Setting {
  const size = Math.min(row.size, window)
  return {
    path,
    size,
    window: window - (window % size),
    depth: row.depth,
    random: row.goal.endsWith('/random'),
  }
}

/** A row in this process: the same mechanism, lap after lap. */
export class Measurement {
  readonly #row: Row
  readonly #setting: Setting
  readonly #fd: number

  /** @param path leads to the file @param window bytes of it that are used, more than 0 */
  constructor(row: Row, path: string, window: number) {
    this.#row = row
    this.#setting = settingOf(row, path, window)
    this.#fd = openSync(path, row.goal.startsWith('write/') ? 'r+' : 'r')
  }

  /** Closes the file. */
  close(): void {
    closeSync(this.#fd)
  }

  /**
   * One lap.
   *
   * @throws `ERR_SLUICE_UNSUPPORTED` and system errors where this machine cannot run the row
   */
  async lap({ kind, sliceMs, seed }: LapRequest): Promise<CountedLap | TimedLap> {
    const { window, size, random } = this.#setting
    await this.#row.mechanism.prepare?.()
    const order = random ? shuffled(Math.floor(window / size), seed) : undefined
    const meter = openMeter({ counters: kind === 'counted' })
    try {
      const workload = await this.#row.mechanism.open(this.#setting)
      try {
        if (kind === 'timed') return await this.#timed(workload, meter, sliceMs, order)
        return await this.#counted(workload, meter, sliceMs, order)
      } finally {
        await workload.close()
      }
    } finally {
      meter.close()
    }
  }

  async #counted(
    workload: Workload,
    meter: Meter,
    sliceMs: number,
    order: Uint32Array | undefined,
  ): Promise<CountedLap> {
    const partMs = sliceMs / (1 + COUNTED_PARTS)
    const unused = new LatencyRecorder()
    await this.#laps(workload, undefined, partMs, order, unused)
    const tallies: Tally[] = []
    let deepest = 0
    for (let part = 0; part < COUNTED_PARTS; part++) {
      const lap = await this.#laps(workload, meter, partMs, order, unused)
      tallies.push(lap.tally)
      deepest = Math.max(deepest, lap.deepest)
    }
    return { kind: 'counted', tallies, deepest, notes: [...meter.notes, ...(workload.notes ?? [])] }
  }

  async #timed(
    workload: Workload,
    meter: Meter,
    sliceMs: number,
    order: Uint32Array | undefined,
  ): Promise<TimedLap> {
    const latency = new LatencyRecorder()
    const { tally, deepest, residentBefore } = await this.#laps(workload, meter, sliceMs, order, latency)
    return { kind: 'timed', tally, latency: latency.summary(), deepest, residentBefore }
  }

  /** Laps until the time is over: one, unless the file is over before and must be evicted anew. */
  async #laps(
    workload: Workload,
    meter: Meter | undefined,
    durationMs: number,
    order: Uint32Array | undefined,
    latency: LatencyRecorder,
  ) {
    const { window, size } = this.#setting
    const wraps = !this.#row.goal.startsWith('read/uncached/')
    const tally: Tally = { operations: 0, bytes: 0, totals: {}, methods: {}, enters: 0 }
    let residentBefore: number | null = null
    let deepest = 0
    let leftMs = durationMs
    for (let laps = 0; laps < MAX_LAPS && leftMs > 0; laps++) {
      residentBefore = this.#prepare()
      const enters = workload.enters?.() ?? 0
      const began = performance.now()
      const lap = new Lap({ window, size, order, wraps, durationMs: leftMs, latency })
      meter?.start()
      await workload.run(lap)
      if (meter !== undefined) add(tally, lap, meter.stop())
      tally.enters += (workload.enters?.() ?? 0) - enters
      deepest = Math.max(deepest, lap.deepest)
      leftMs -= performance.now() - began
      if (wraps) break
    }
    return { tally, residentBefore, deepest }
  }

  /** Brings the file's pages into the state that the goal wants. @returns the part of them that is cached */
  #prepare(): number | null {
    const { goal } = this.#row
    if (goal.startsWith('net/')) return null
    if (goal.startsWith('write/')) settle(this.#fd)
    if (goal.startsWith('write/uncached/')) return null
    if (!goal.startsWith('read/uncached/')) return part(fill(this.#fd, this.#setting.window))
    const left = part(evict(this.#fd, this.#setting.window))
    if (left > MAX_REMAINDER) {
      const percent = Math.round(left * 100)
      const text = `the page cache keeps ${percent} % of the file, whatever it is told`
      throw new SluiceError('ERR_SLUICE_UNSUPPORTED', text)
    }
    return left
  }
}

function part({ cachedPages, pages }: Residency): number {
  return cachedPages / pages
}
