import { checkObject } from '../kernel/index.js'
import type { Cost } from './cost.js'
import type { Measured } from './method.js'
import type { Quantity, Reading, Source } from './reading.js'
import {
  ioSource,
  kernelThreadSource,
  perfParanoia,
  perfSources,
  systemCallSource,
  usageSource,
} from './sources.js'

/** How a {@link Meter} is opened. */
export interface MeterOptions {
  /**
   * Whether to use the kernel's counters where there is the right to; true by default. While a tracepoint counts system
   * calls, every system call on the machine takes a little longer: measure speed without.
   */
  counters?: boolean
}

/** Measures what the process costs between `start()` and `stop()`, again and again. */
export interface Meter {
  /** Why a better method could not be had; empty where all is counted at its best. */
  readonly notes: readonly string[]
  /** Begins to measure. */
  start(): void
  /**
   * Ends it. The meter's own system calls and bytes are taken off; its CPU time, some tens of microseconds, is not.
   *
   * @throws `Error` before `start()`
   */
  stop(): Cost
  /** Lets the counters go. */
  close(): void
}

/** What grows in an empty measurement by the meter's own doing, and by always the same. */
const OWN: readonly Quantity[] = ['systemCalls', 'bytesAsked']

const CALIBRATIONS = 3

/** A source, how it stood at the start, and what looking at it adds to it. */
interface Look {
  readonly source: Source
  readonly before: Reading
  readonly own: Reading
}

class ProcessMeter implements Meter {
  readonly notes: string[] = []
  /** From the widest look, which is taken first and last, to the narrowest and best. */
  readonly #looks: Look[] = []
  #startedNs: bigint | undefined

  constructor(counters: boolean) {
    this.#try('threads of the kernel', () => [kernelThreadSource()])
    this.#try('bytes moved', () => [ioSource()])
    this.#add([usageSource()])
    if (counters) {
      this.#try('perf counters', perfSources)
      this.#try('system calls by tracepoint', () => [systemCallSource()])
    }
    this.#calibrate()
  }

  #add(sources: Source[]): void {
    for (const source of sources) this.#looks.push({ source, before: {}, own: {} })
  }

  #try(what: string, open: () => Source[]): void {
    try {
      this.#add(open())
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      this.notes.push(`${what}: ${code === 'EACCES' ? forbidden() : message}`)
    }
  }

  #calibrate(): void {
    for (let round = 0; round < CALIBRATIONS; round++) {
      this.start()
      for (const { source, before, own } of this.#looks.toReversed()) {
        const after: Reading = {}
        source.read(after)
        for (const quantity of OWN) {
          const grown = (after[quantity] ?? 0) - (before[quantity] ?? 0)
          own[quantity] = Math.min(grown, own[quantity] ?? grown)
        }
      }
    }
    this.#startedNs = undefined
  }

  start(): void {
    for (const { source, before } of this.#looks) source.read(before)
    this.#startedNs = process.hrtime.bigint()
  }

  stop(): Cost {
    const endedNs = process.hrtime.bigint()
    if (this.#startedNs === undefined) throw new Error('The meter was not started')
    const elapsedNs: Measured = { value: Number(endedNs - this.#startedNs), method: 'clock' }
    this.#startedNs = undefined
    const grown: Partial<Record<Quantity, Measured>> = {}
    for (const { source, before, own } of this.#looks.toReversed()) {
      const after: Reading = {}
      source.read(after)
      for (const quantity of source.quantities) {
        const value = (after[quantity] ?? 0) - (before[quantity] ?? 0) - (own[quantity] ?? 0)
        grown[quantity] ??= { value: Math.max(0, value), method: source.method }
      }
    }
    // getrusage(2) is always among the sources, so what a cost must have is there.
    return { ...(grown as Cost), elapsedNs }
  }

  close(): void {
    for (const { source } of this.#looks.splice(0)) source.close()
  }
}

function forbidden(): string {
  const level = perfParanoia()
  return `not allowed (kernel.perf_event_paranoid is ${level}); CAP_PERFMON or root, or a value of 1 or less, would do`
}

/**
 * Opens a meter on this process: the kernel's counters where there is the right to use them, else what the kernel
 * accounts for everybody. Each number of a {@link Cost} says which it was.
 *
 * ```ts
 * const meter = openMeter()
 * meter.start()
 * for (let at = 0; at < size; at += 4096) readSync(fd, buffer, 0, 4096, at)
 * const { systemCalls, contextSwitches } = meter.stop()
 * ```
 */
export function openMeter(options: MeterOptions = {}): Meter {
  checkObject(options)
  return new ProcessMeter(options.counters ?? true)
}
