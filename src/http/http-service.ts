import type { SecureContextOptions } from 'node:tls'
import { SluiceError } from '../kernel/index.js'
import type { Connection } from '../net/index.js'
import { AccessLog, checkAppendable } from './access-log.js'
import { AddressCounts } from './address-counts.js'
import { Certificates } from './certificates.js'
import { ConnectionWatch } from './connection-watch.js'
import { HttpConnection } from './http-connection.js'
import { keptDescriptors } from './kept-descriptors.js'
import type { Note } from './note.js'
import { SecureFront } from './secure-front.js'
import { addressOf, type ServedConnection } from './served-connection.js'
import { type ServeOptions, type ServerSettings, serverSettings } from './server-options.js'
import { ServerStats } from './server-stats.js'
import { Site } from './site.js'
import { ServerStatus } from './status/server-status.js'
import { StatusRoutes } from './status/status-routes.js'

/** What the threads of a server have in common, and which of them this is. */
export interface SharedMemory {
  readonly thread: number
  readonly stats: SharedArrayBuffer
  readonly addresses: SharedArrayBuffer
}

/** What serves connections on one thread, wherever they come from. */
export class HttpService {
  readonly site: Site
  readonly stats: ServerStats
  readonly #settings: ServerSettings
  readonly #log: AccessLog | undefined
  readonly #watch: ConnectionWatch
  readonly #addresses: AddressCounts | undefined
  readonly #certificates: Certificates | undefined
  readonly #front: SecureFront | undefined
  readonly #status: ServerStatus | undefined
  #closing = false

  /** @throws for options that cannot be; the system error where a file or folder of theirs cannot be opened */
  constructor(options: ServeOptions, shared?: SharedMemory) {
    this.#settings = serverSettings(options)
    if (options.accessLog !== undefined) checkAppendable(options.accessLog)
    this.#certificates = options.tls === undefined ? undefined : new Certificates(options.tls)
    this.stats = new ServerStats(shared?.stats, shared?.thread)
    this.stats.set('connections', 0)
    const report = () => (this.#status as ServerStatus).report()
    const routes =
      options.status === undefined ? undefined : new StatusRoutes(options.status, report, options.host)
    this.site = new Site(options)
    if (routes !== undefined) this.#status = new ServerStatus(this.site, this.stats, routes)
    if (options.accessLog !== undefined) {
      this.#log = new AccessLog(options.accessLog, options.accessLogFormat ?? 'combined')
    }
    const most = this.#settings.maxConnectionsPerAddress
    if (most > 0) this.#addresses = new AddressCounts(most, shared?.addresses, shared?.thread)
    this.#watch = new ConnectionWatch(this.#settings, () => this.stats.add('timeouts'))
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
      this.#renew(this.#certificates?.read())
    } catch (error) {
      process.emitWarning(error as Error)
    }
  }

  /** Of {@link ServerSettings}. */
  get maxConnections(): number {
    return this.#settings.maxConnections
  }

  /** Of {@link ServerSettings}. */
  get shutdownTimeout(): number {
    return this.#settings.shutdownTimeout
  }

  /** Connections open now. */
  get connections(): number {
    return this.#watch.size
  }

  /** As of a file server. */
  reload(): void {
    // A log that was moved away is left in any case: that cannot fail, and whoever moved it counts on it.
    this.#log?.reopen()
    // What can fail is done before anything is put in the place of what was there.
    const identity = this.#certificates?.read()
    this.site.reopen()
    this.#renew(identity)
  }

  #renew(identity: SecureContextOptions | undefined): void {
    if (this.#certificates === undefined || identity === undefined) return
    this.#certificates.take(identity)
    this.#front?.renew(this.#certificates)
    this.stats.add('reloads')
  }

  /** Something beside the connections has failed. Where it was for want of a descriptor, some are let go for the next. */
  failed(error: NodeJS.ErrnoException): void {
    keptDescriptors.yield(error.errno)
    process.emitWarning(error)
  }

  /** Serves one connection. @returns when it has ended */
  async handle(connection: Connection): Promise<void> {
    this.stats.add('accepted')
    const address = this.#admit(connection)
    if (address === false) return
    const served = this.#serving(connection)
    this.#watch.add(served)
    this.stats.set('connections', this.#watch.size)
    if (this.#closing) served.finish()
    try {
      await served.run()
    } catch (error) {
      // A peer that goes away, or a file that got shorter, ends its connection and concerns nobody else.
      if (!isOrdinary(error)) throw error
      connection.destroy()
    } finally {
      this.#watch.delete(served)
      this.stats.set('connections', this.#watch.size)
      if (address !== undefined) this.#addresses?.leave(address)
    }
  }

  #serving(connection: Connection): ServedConnection {
    if (this.#front !== undefined) return this.#front.accept(connection)
    const note = this.#noteFor(connection)
    return new HttpConnection(connection, this.site, this.#settings, this.stats, note)
  }

  /** @returns the address that is counted, if connections are; false for one too many of it */
  #admit(connection: Connection): string | undefined | false {
    if (this.#addresses === undefined) return undefined
    const remote = connection.remoteAddress
    if (remote === undefined || !('address' in remote)) return undefined
    const address = this.#addresses.enter(remote.address)
    if (address !== undefined) return address
    this.stats.add('refused')
    void connection.reset()
    return false
  }

  #noteFor(connection: Connection): Note | undefined {
    const log = this.#log
    if (log === undefined) return undefined
    const address = addressOf(connection)
    return (request, status, bytes, startedMs) => {
      const milliseconds = performance.now() - startedMs
      const { method, target, version, referer, userAgent } = request
      const time = Date.now()
      log.write({ address, time, method, target, version, status, bytes, milliseconds, referer, userAgent })
    }
  }

  /** Has every connection end once what is under way is answered, also those that still come. */
  finish(): void {
    this.#closing = true
    this.#watch.finish()
  }

  /** Lets everything go, once no connection is left. @returns when the log is written */
  async end(): Promise<void> {
    this.#watch.stop()
    this.#status?.close()
    this.#certificates?.unwatch()
    this.site.close()
    await this.#log?.close()
  }
}

/** Failures of a connection, or of the file that it was sent: not the server's. */
function isOrdinary(error: unknown): boolean {
  if (error instanceof SluiceError) return ['ERR_SLUICE_CLOSED', 'ERR_SLUICE_SHORT'].includes(error.code)
  return (
    typeof (error as NodeJS.ErrnoException)?.syscall === 'string' || (error as Error)?.name === 'AbortError'
  )
}
