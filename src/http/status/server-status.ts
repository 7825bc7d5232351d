import { performance } from 'node:perf_hooks'
import { engine } from '../../engine/index.js'
import type { Counter, ServerStats } from '../server-stats.js'
import type { Site } from '../site.js'
import { ProcessCost, type StatusReport, statusReport } from './status-report.js'
import type { StatusRoutes } from './status-routes.js'

/** How often a thread tells the others what it counts elsewhere than in their common memory, in milliseconds. */
const PUBLISH_MS = 500

/** Of what is published, what only grows: a thread that takes the place of one that has ended goes on from there. */
const GROWING = [
  'lookups',
  'opened',
  'evictions',
  'enters',
  'submissions',
  'completions',
  'overflows',
  'waits',
  'loops',
] as const satisfies readonly Counter[]

/** Of what is published, what stands at one moment. */
const STANDING = [
  'inFlight',
  'capacity',
  'waiting',
  'handles',
  'cacheFiles',
  'cacheBytes',
  'cacheWatched',
  'compressedFiles',
  'compressedBytes',
] as const satisfies readonly Counter[]

/** Gathers what is counted here and there when somebody asks for a server's state. */
export class ServerStatus {
  readonly #site: Site
  readonly #stats: ServerStats
  readonly #cost = new ProcessCost()
  readonly #inherited: readonly number[]
  readonly #timer: NodeJS.Timeout | undefined

  /** Begins to time responses, and to answer for the state. */
  constructor(site: Site, stats: ServerStats, routes: StatusRoutes) {
    this.#site = site
    this.#stats = stats
    this.#inherited = GROWING.map(name => stats.own(name))
    stats.set('started', stats.own('started') || Date.now())
    stats.time()
    site.status = routes
    if (stats.threads > 1) this.#timer = setInterval(() => this.#publish(), PUBLISH_MS).unref()
  }

  #publish(): void {
    const { lookups, hits: opened } = this.#site
    const loops = performance.nodeTiming.uvMetricsInfo.loopCount
    const cache = this.#site.cacheStats()
    const values = {
      ...engine().stats(),
      lookups,
      opened,
      loops,
      evictions: cache.evictions,
      cacheFiles: cache.files,
      cacheBytes: cache.bytes,
      cacheWatched: cache.watched,
      compressedFiles: cache.compressed.files,
      compressedBytes: cache.compressed.bytes,
    }
    for (const [index, name] of GROWING.entries()) {
      this.#stats.set(name, values[name] + (this.#inherited[index] as number))
    }
    for (const name of STANDING) this.#stats.set(name, values[name])
  }

  /** The state of all threads; of the others, as they told it last. */
  report(): StatusReport {
    this.#publish()
    return statusReport(this.#stats, this.#cost, engine())
  }

  close(): void {
    clearInterval(this.#timer)
    this.#cost.close()
  }
}
