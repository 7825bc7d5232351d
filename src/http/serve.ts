import { SluiceError, type SocketAddress } from '../kernel/index.js'
import { type Connection, type Listener, listen } from '../net/index.js'
import { AccessLog } from './access-log.js'
import { Certificates } from './certificates.js'
import { ConnectionWatch } from './connection-watch.js'
import { HEADER } from './header-name.js'
import { HttpConnection, type Note } from './http-connection.js'
import { SecureFront } from './secure-front.js'
import { addressOf, type ServedConnection } from './served-connection.js'
import { type ServeOptions, type ServerSettings, serverSettings } from './server-options.js'
import { ServerStats } from './server-stats.js'
import { Site } from './site.js'

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
  readonly #watch: ConnectionWatch
  readonly #certificates: Certificates | undefined
  readonly #front: SecureFront | undefined
  readonly #byAddress = new Map<string, number>()
  #listener: Listener | undefined
  #closing: Promise<void> | undefined

  /** For users there is `serve()`. */
  constructor(options: ServeOptions) {
    this.#settings = serverSettings(options)
    this.#certificates = options.tls === undefined ? undefined : new Certificates(options.tls)
    this.site = new Site(options)
    if (options.accessLog !== undefined) {
      this.#log = new AccessLog(options.accessLog, options.accessLogFormat ?? 'combined')
    }
    this.#watch = new ConnectionWatch(this.#settings, () => this.stats.timeouts++)
    if (this.#certificates !== undefined) this.#front = this.#secureFront(this.#certificates)
  }

  #secureFront(certificates: Certificates): SecureFront {
    certificates.watch(() => this.#certificateChanged())
    const { site, stats } = this
    const onError = (error: Error) => process.emitWarning(error)
    return new SecureFront(certificates, { site, stats, settings: this.#settings, log: this.#log, onError })
  }

  /** Whoever renews a certificate may have written one of two files so far: what does not fit yet is told and not taken. */
  #certificateChanged(): void {
    try {
      this.#renew()
    } catch (error) {
      process.emitWarning(error as Error)
    }
  }

  /**
   * Reads the certificate and its key again, for connections from now on, and opens the access log anew, which may have
   * been moved away.
   *
   * @throws the system error of a file that cannot be read; `ERR_SLUICE_CERTIFICATE`. What was there before stays.
   */
  reload(): void {
    this.#log?.reopen()
    this.#renew()
  }

  #renew(): void {
    if (this.#certificates === undefined) return
    this.#certificates.reload()
    this.#front?.renew(this.#certificates)
    this.stats.reloads++
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
      this.#release()
      throw error
    }
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
    return this.#watch.size
  }

  async #serve(connection: Connection): Promise<void> {
    const address = this.#admit(connection)
    if (address === false) return
    const served = this.#serving(connection)
    this.#watch.add(served)
    if (this.#closing !== undefined) served.finish()
    try {
      await served.run()
    } catch (error) {
      // A peer that goes away, or a file that got shorter, ends its connection and concerns nobody else.
      if (!isOrdinary(error)) throw error
      connection.destroy()
    } finally {
      this.#watch.delete(served)
      this.#leave(address)
    }
  }

  #serving(connection: Connection): ServedConnection {
    if (this.#front !== undefined) return this.#front.accept(connection)
    return new HttpConnection(connection, this.site, this.#settings, this.stats, this.#noteFor(connection))
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
    const address = addressOf(connection)
    return (head, status, bytes, started) =>
      log.write({
        address,
        time: Date.now(),
        method: head.method,
        target: head.target,
        version: `1.${head.minor}`,
        status,
        bytes,
        milliseconds: performance.now() - started,
        referer: head.get(HEADER.REFERER),
        userAgent: head.get(HEADER.USER_AGENT),
      })
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
    this.#watch.finish()
    await this.#listener?.close({ timeout })
    this.#release()
    await this.#log?.close()
  }

  #release(): void {
    this.#watch.stop()
    this.#certificates?.unwatch()
    this.site.close()
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
