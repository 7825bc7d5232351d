import { SluiceError, type SocketAddress } from '../kernel/index.js'
import { type Connection, type Listener, listen } from '../net/index.js'
import { AccessLog } from './access-log.js'
import { HEADER } from './header-name.js'
import { HttpConnection, type Note } from './http-connection.js'
import { type ServeOptions, type ServerSettings, serverSettings } from './server-options.js'
import { ServerStats } from './server-stats.js'
import { Site } from './site.js'

/** How often the connections' time limits are looked at, in milliseconds: a limit is kept to twice as much. */
const SWEEP_MS = 500
/** How far a connection was when the time limits were last looked at. */
interface Watched {
  beat: number
  /** When it was first seen there, in milliseconds of `performance.now()`. */
  since: number
  /** Bytes that had been sent by then. */
  sent: number
}

/** Over how long a client's rate is measured, in milliseconds. */
const RATE_MS = 10_000

/**
 * A static file server on this thread's engine: HTTP/1.1, strict, with zero-copy for what is large and one send for what
 * is small.
 *
 * ```ts
 * await using server = await serve({ root: 'public', port: 8080 })
 * ```
 */
export class FileServer implements AsyncDisposable {
  readonly site: Site
  readonly stats = new ServerStats()
  readonly #settings: ServerSettings
  readonly #log: AccessLog | undefined
  readonly #open = new Map<HttpConnection, Watched>()
  readonly #byAddress = new Map<string, number>()
  #listener: Listener | undefined
  #sweeper: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined

  /** For users there is `serve()`. */
  constructor(options: ServeOptions) {
    this.#settings = serverSettings(options)
    this.site = new Site(options)
    if (options.accessLog !== undefined) {
      this.#log = new AccessLog(options.accessLog, options.accessLogFormat ?? 'combined')
    }
  }

  /** Begins to listen. @throws as `listen()` does */
  async start(options: ServeOptions): Promise<this> {
    const { host, port = 8080, path, fd, reusePort } = options
    const where =
      path !== undefined
        ? { path }
        : fd !== undefined
          ? { fd }
          : { port, ...(host === undefined ? {} : { host }) }
    const limits = { maxConnections: this.#settings.maxConnections, noDelay: path === undefined }
    const share = reusePort === undefined ? {} : { reusePort }
    try {
      this.#listener = await listen({ ...where, ...limits, ...share }, connection => this.#serve(connection))
    } catch (error) {
      this.site.close()
      throw error
    }
    this.#sweeper = setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref()
    return this
  }

  /** Where it listens. */
  address(): SocketAddress | undefined {
    return this.#listener?.address()
  }

  /** The port it listens on; 0 for a Unix socket. */
  get port(): number {
    return this.#listener?.port ?? 0
  }

  /** Connections open now. */
  get connections(): number {
    return this.#open.size
  }

  async #serve(connection: Connection): Promise<void> {
    const address = this.#admit(connection)
    if (address === false) return
    const served = new HttpConnection(
      connection,
      this.site,
      this.#settings,
      this.stats,
      this.#noteFor(connection),
    )
    served.closing = this.#closing !== undefined
    this.#open.set(served, { beat: 0, since: performance.now(), sent: 0 })
    try {
      await served.run()
    } catch (error) {
      // A peer that goes away, or a file that got shorter, ends its connection and concerns nobody else.
      if (!isOrdinary(error)) throw error
      connection.destroy()
    } finally {
      this.#open.delete(served)
      this.#leave(address)
    }
  }

  /** @returns the address that is counted, if connections are; false for one too many of it */
  #admit(connection: Connection): string | undefined | false {
    const most = this.#settings.maxConnectionsPerAddress
    if (most === 0) return undefined
    const remote = connection.remoteAddress
    if (remote === undefined || !('address' in remote)) return undefined
    const count = this.#byAddress.get(remote.address) ?? 0
    if (count >= most) {
      void connection.reset()
      return false
    }
    this.#byAddress.set(remote.address, count + 1)
    return remote.address
  }

  #leave(address: string | undefined): void {
    if (address === undefined) return
    const count = (this.#byAddress.get(address) ?? 1) - 1
    if (count === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, count)
  }

  #noteFor(connection: Connection): Note | undefined {
    const log = this.#log
    if (log === undefined) return undefined
    const remote = connection.remoteAddress
    const address = remote !== undefined && 'address' in remote ? remote.address : '-'
    return (head, status, bytes, started) =>
      log.write({
        address,
        time: Date.now(),
        method: head.method,
        target: head.target,
        minor: head.minor,
        status,
        bytes,
        milliseconds: performance.now() - started,
        referer: head.get(HEADER.REFERER),
        userAgent: head.get(HEADER.USER_AGENT),
      })
  }

  #sweep(now: number): void {
    const { headTimeout, bodyTimeout, idleTimeout } = this.#settings
    for (const [served, watched] of this.#open) {
      if (served.beat !== watched.beat) {
        watched.beat = served.beat
        watched.since = now
        watched.sent = served.connection.bytesWritten
        continue
      }
      const waited = now - watched.since
      const late =
        served.phase === 'send'
          ? this.#isSlow(served.connection, watched, now)
          : waited > { idle: idleTimeout, head: headTimeout, body: bodyTimeout }[served.phase]
      if (!late) continue
      this.stats.timeouts++
      void served.connection.reset()
    }
  }

  #isSlow({ bytesWritten }: Connection, watched: Watched, now: number): boolean {
    const elapsed = now - watched.since
    if (elapsed < RATE_MS) return false
    const slow = bytesWritten - watched.sent < (this.#settings.minRate * elapsed) / 1000
    watched.since = now
    watched.sent = bytesWritten
    return slow
  }

  /**
   * Ends it: no connection is taken any more, idle ones are closed, and responses under way are finished. Idempotent.
   *
   * @param options `timeout` in milliseconds after which what is left is dropped; 30,000 by default
   */
  close(options: { timeout?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeout ?? 30_000)
    return this.#closing
  }

  async #close(timeout: number): Promise<void> {
    for (const served of this.#open.keys()) {
      served.closing = true
      if (served.phase === 'idle') void served.connection.close()
    }
    await this.#listener?.close({ timeout })
    clearInterval(this.#sweeper)
    this.site.close()
    await this.#log?.close()
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Failures of a connection, or of the file that it was sent: not the server's. */
function isOrdinary(error: unknown): boolean {
  if (error instanceof SluiceError) return ['ERR_SLUICE_CLOSED', 'ERR_SLUICE_SHORT'].includes(error.code)
  return (
    typeof (error as NodeJS.ErrnoException)?.syscall === 'string' || (error as Error)?.name === 'AbortError'
  )
}

/**
 * Serves a directory.
 *
 * @returns once connections are accepted
 * @throws for options that cannot be; the system error where the root is no directory or the address is taken
 */
export async function serve(options: ServeOptions): Promise<FileServer> {
  return new FileServer(options).start(options)
}
