import { checkObject, type SocketAddress } from '../kernel/index.js'
import { type Listener, listen } from '../net/index.js'
import { HttpService } from './http-service.js'
import { listenTarget } from './listen-options.js'
import { ServerGroup } from './server-group.js'
import {
  checkCloseOptions,
  type ServeOptions,
  serverSettings,
  type WorkerServeOptions,
} from './server-options.js'
import type { ServerStats } from './server-stats.js'
import type { Site } from './site.js'

/**
 * A static file server on this thread's engine: HTTP/1.1, strict, with zero-copy for what is large and one send for what
 * is small.
 *
 * ```ts
 * await using server = await serve({ root: 'public', port: 8080 })
 * ```
 */
export class FileServer implements AsyncDisposable {
  readonly #service: HttpService
  #listener: Listener | undefined
  #closing: Promise<void> | undefined

  /** For users there is `serve()`. */
  constructor(options: ServeOptions) {
    this.#service = new HttpService(options)
  }

  /** What it serves. */
  get site(): Site {
    return this.#service.site
  }

  /** What it has done so far. */
  get stats(): ServerStats {
    return this.#service.stats
  }

  /** Begins to listen. @throws as `listen()` does */
  async start(options: ServeOptions): Promise<this> {
    try {
      const target = listenTarget(options, serverSettings(options))
      const onError = (error: Error) => this.#service.failed(error)
      this.#listener = await listen({ ...target, onError }, connection => this.#service.handle(connection))
    } catch (error) {
      await this.#service.end()
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
    return this.#service.connections
  }

  /**
   * Reads the certificate and its key again, for connections from now on, and opens the root and the access log anew:
   * another one may stand in its place, and the log may have been moved away.
   *
   * @throws the system error of a file or folder that cannot be opened; `ERR_SLUICE_CERTIFICATE`. Then root
   *   and certificate stay as they were, both; the log is opened anew nevertheless.
   */
  reload(): void {
    this.#service.reload()
  }

  /**
   * Ends it: no connection is taken any more, idle ones are closed, and responses under way are finished. Idempotent.
   *
   * @param options `timeout` in milliseconds after which what is left is dropped; `shutdownTimeout` by default
   */
  close(options: { timeout?: number } = {}): Promise<void> {
    checkCloseOptions(options)
    this.#closing ??= this.#close(options.timeout ?? this.#service.shutdownTimeout)
    return this.#closing
  }

  async #close(timeout: number): Promise<void> {
    this.#service.finish()
    await this.#listener?.close({ timeout })
    await this.#service.end()
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/**
 * Serves a directory, on this thread or, with `workers`, in threads of its own.
 *
 * @returns once connections are accepted
 * @throws for options that cannot be; the system error where the root is no directory or the address is taken
 */
export function serve(options: WorkerServeOptions): Promise<ServerGroup>
export function serve(options: ServeOptions): Promise<FileServer>
export async function serve(options: ServeOptions | WorkerServeOptions): Promise<FileServer | ServerGroup> {
  checkObject(options)
  if ('workers' in options) return ServerGroup.start(options)
  return new FileServer(options).start(options)
}
