import { randomBytes } from 'node:crypto'
import { checkInteger, type SocketAddress } from '../kernel/index.js'
import { listen, type WorkerListener } from '../net/index.js'
import { addressMemory } from './address-counts.js'
import { Certificates } from './certificates.js'
import { keptFiles } from './kept-descriptors.js'
import { listenTarget } from './listen-options.js'
import {
  checkCloseOptions,
  type ServeOptions,
  serverSettings,
  type WorkerServeOptions,
} from './server-options.js'
import { ServerStats, statsMemory } from './server-stats.js'
import type { ThreadTask } from './server-thread.js'
import { siteSettings } from './site-options.js'
import { checkStatusOptions } from './status/status-routes.js'

const TICKET_KEY_BYTES = 48
const MAX_WORKERS = 1024

/**
 * A file server in several threads, each with an engine of its own, at one address. A thread that ends is told (by
 * Node's `warning` event) and replaced after a second; what it had counted stays counted.
 */
export class ServerGroup implements AsyncDisposable {
  /** What all threads have done so far. */
  readonly stats: ServerStats
  readonly #listener: WorkerListener
  readonly #shutdownTimeout: number
  #closing: Promise<void> | undefined

  private constructor(listener: WorkerListener, stats: ServerStats, shutdownTimeout: number) {
    this.#listener = listener
    this.#shutdownTimeout = shutdownTimeout
    this.stats = stats
  }

  /** Starts the threads; for users there is `serve()`. @returns once all of them listen */
  static async start(options: WorkerServeOptions): Promise<ServerGroup> {
    const { workers } = options
    const settings = serverSettings(options)
    checkInteger(workers, 'options.workers', 1, MAX_WORKERS)
    // What cannot be is better told from here than from every thread.
    siteSettings(options)
    if (options.status !== undefined) checkStatusOptions(options.status, options.host)
    if (options.tls !== undefined) new Certificates(options.tls)
    const memory = { stats: statsMemory(workers), addresses: addressMemory(workers) }
    const target = listenTarget(options, settings)
    // The least that a thread's listener takes: a thread that thought it had more would make no room at its bound.
    const share = Math.floor(settings.maxConnections / workers)
    const listener = await listen({
      ...target,
      workers,
      module: new URL('./server-thread.js', import.meta.url),
      data: {
        options: { ...threadOptions(options), maxConnections: share },
        memory,
        threads: workers,
      } satisfies ThreadTask,
    })
    return new ServerGroup(listener, new ServerStats(memory.stats), settings.shutdownTimeout)
  }

  /** Where it listens. */
  address(): SocketAddress | undefined {
    return this.#listener.address()
  }

  /** The port it listens on; 0 for a Unix socket. */
  get port(): number {
    return this.#listener.port
  }

  /** Threads that serve now. */
  get workers(): number {
    return this.#listener.workers
  }

  /** Connections open now, in all threads. */
  get connections(): number {
    return this.stats.connections
  }

  /** As of a file server, in every thread. @throws likewise, for the first thread that cannot */
  async reload(): Promise<void> {
    await this.#listener.ask('reload')
  }

  /** As of a file server, in every thread. */
  close(options: { timeout?: number } = {}): Promise<void> {
    checkCloseOptions(options)
    this.#closing ??= this.#listener.close({ timeout: options.timeout ?? this.#shutdownTimeout })
    return this.#closing
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A client that comes back is served by another thread, which must be able to resume its session. */
function threadOptions({ workers, ...given }: WorkerServeOptions): ServeOptions {
  // All threads share the process's descriptors.
  const options = { ...given, cacheEntries: given.cacheEntries ?? keptFiles(workers) }
  if (options.tls === undefined) return options
  return { ...options, tls: { ticketKeys: randomBytes(TICKET_KEY_BYTES), ...options.tls } }
}
