import { readFileSync } from 'node:fs'
import { resourceUsage } from '../../kernel/index.js'
import { type Method, ProcessIoFile } from '../../observe/index.js'
import type { ServerStats } from '../server-stats.js'
import { bucketEnd, quantile } from './latency-histogram.js'

/** A count, and how it was come by. */
interface Counted {
  value: number
  method: Method
}

/** What a server's state is, in JSON. Totals are since its start; a reader makes rates of two of them. */
export interface StatusReport {
  /** Of this shape; it changes when a field changes its meaning. */
  format: 1
  sluice: string
  node: string
  driver: string
  /** Why it is that driver. */
  reason: string
  threads: number
  uptimeSeconds: number
  connections: { open: number; accepted: number; dropped: number; refused: number }
  requests: number
  /** Of responses. */
  bytes: number
  /** Responses by status. */
  statuses: Record<string, number>
  /** Responses by how they left. `memory`: they stood ready, or were made for the occasion. */
  mechanisms: Record<string, number>
  /** What is kept open, in all threads together. */
  cache: {
    /** Requests for which a file was open already, and for which it had to be opened or looked for. */
    hits: number
    misses: number
    /** Files that are open, and bytes of them that are kept in memory. */
    files: number
    bytes: number
    /** Files that others had to make room for. */
    evictions: number
    /** Files that inotify tells of changes of. */
    watched: number
    /** Files that are kept as they were compressed on the fly. */
    compressed: { files: number; bytes: number }
  }
  /** In microseconds, from the request's arrival in this process to its response's leaving. */
  latency: {
    count: number
    sum: number
    p50: number
    p90: number
    p99: number
    p999: number
    /** Where each bucket ends. */
    ends: number[]
    counts: number[]
  }
  /** Of all threads' engines together. */
  ring: {
    inFlight: number
    capacity: number
    waiting: number
    handles: number
    enters: number
    submissions: number
    completions: number
    overflows: number
    waits: number
  }
  process: {
    systemCalls: Counted
    contextSwitches: Counted
    userSeconds: number
    systemSeconds: number
    residentBytes: number
  }
}

const US_PER_SECOND = 1e6
const US_PER_MS = 1000
const MS_PER_SECOND = 1000
const version = (
  JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
).version

/** Calls like read and write of the whole process; nothing where a sandbox hides them. */
function openProcessIo(): ProcessIoFile | undefined {
  try {
    return new ProcessIoFile()
  } catch {
    return undefined
  }
}

/** What the whole process has cost since it began, whichever of its threads asks. */
export class ProcessCost {
  readonly #io = openProcessIo()

  /** @param others system calls that those like read and write do not include */
  report(others: number): StatusReport['process'] {
    const { voluntarySwitches, involuntarySwitches, userUs, systemUs } = resourceUsage()
    const { readCalls, writeCalls } = this.#io?.read() ?? { readCalls: 0, writeCalls: 0 }
    return {
      // A sendfile(2) is counted as a read and as a write.
      systemCalls: { value: Math.max(readCalls, writeCalls) + others, method: 'derived' },
      contextSwitches: { value: voluntarySwitches + involuntarySwitches, method: 'getrusage' },
      userSeconds: userUs / US_PER_SECOND,
      systemSeconds: systemUs / US_PER_SECOND,
      residentBytes: process.memoryUsage.rss(),
    }
  }

  close(): void {
    this.#io?.close()
  }
}

function latencyOf(stats: ServerStats): StatusReport['latency'] {
  const counts = stats.latencies
  return {
    count: counts.reduce((sum, count) => sum + count, 0),
    sum: stats.total('latencySum') * US_PER_MS,
    p50: quantile(counts, 0.5),
    p90: quantile(counts, 0.9),
    p99: quantile(counts, 0.99),
    p999: quantile(counts, 0.999),
    ends: counts.map((_, index) => bucketEnd(index)),
    counts,
  }
}

/** Of the ring all; of epoll the least that they can have been: an operation is a call, or several made in one go. */
function engineCalls(stats: ServerStats, driver: string): number {
  const enters = stats.total('enters')
  return driver === 'ring' ? enters : Math.max(enters, stats.total('completions'))
}

/** Puts a report together. */
export function statusReport(
  stats: ServerStats,
  cost: ProcessCost,
  { driver, reason }: Pick<StatusReport, 'driver' | 'reason'>,
): StatusReport {
  const total = stats.total.bind(stats)
  const { requests, mechanisms, threads } = stats
  const moved = [...mechanisms.values()].reduce((sum, count) => sum + count, 0)
  // What was answered without asking whether it is open was kept at hand.
  const misses = Math.min(requests, total('lookups') - total('opened'))
  return {
    format: 1,
    sluice: version,
    node: process.version,
    driver,
    reason,
    threads,
    uptimeSeconds: (Date.now() - stats.startedMs) / MS_PER_SECOND,
    connections: {
      open: total('connections'),
      accepted: total('accepted'),
      dropped: total('timeouts'),
      refused: total('refused'),
    },
    requests,
    bytes: total('bytes'),
    statuses: Object.fromEntries(stats.statuses),
    mechanisms: { memory: Math.max(0, requests - moved), ...Object.fromEntries(mechanisms) },
    cache: {
      hits: requests - misses,
      misses,
      files: total('cacheFiles'),
      bytes: total('cacheBytes'),
      evictions: total('evictions'),
      watched: total('cacheWatched'),
      compressed: { files: total('compressedFiles'), bytes: total('compressedBytes') },
    },
    latency: latencyOf(stats),
    ring: {
      inFlight: total('inFlight'),
      capacity: total('capacity'),
      waiting: total('waiting'),
      handles: total('handles'),
      enters: total('enters'),
      submissions: total('submissions'),
      completions: total('completions'),
      overflows: total('overflows'),
      waits: total('waits'),
    },
    process: cost.report(engineCalls(stats, driver) + total('loops') + (mechanisms.get('sendfile') ?? 0)),
  }
}
