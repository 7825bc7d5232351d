import type { SocketAddress } from '../kernel/index.js'
import { Accepting } from './accepting.js'
import type { Connection } from './connection.js'
import {
  type ConnectionHandler,
  checkCloseOptions,
  type ListenerStats,
  type ServingOptions,
} from './serving-options.js'
import { socketAddress } from './socket-address.js'

/**
 * A socket that takes connections, each served by a handler. It keeps the process alive until it is closed.
 *
 * ```ts
 * await using server = await listen({ port: 9000 }, async connection => {
 *   for await (const bytes of connection) await connection.write(bytes)
 * })
 * ```
 */
export class Listener implements AsyncDisposable {
  readonly #accepting: Accepting
  readonly #address: SocketAddress | undefined

  /** Takes over a listening socket; for users there is `listen()`. @param ended told when the socket is closed */
  constructor(fd: number, options: ServingOptions, handler: ConnectionHandler, ended?: () => void) {
    this.#address = socketAddress(fd, 'getsockname')
    this.#accepting = new Accepting(fd, options, handler, ended)
  }

  /** Where it listens. */
  address(): SocketAddress | undefined {
    return this.#address
  }

  /** The port it listens on; 0 for a Unix socket. */
  get port(): number {
    return this.#address !== undefined && 'port' in this.#address ? this.#address.port : 0
  }

  /** Its connections that are open. */
  get connections(): ReadonlySet<Connection> {
    return this.#accepting.connections
  }

  /** What it has done so far. */
  stats(): ListenerStats {
    return this.#accepting.stats()
  }

  /**
   * Ends it: no connection is taken any more, those that are open may finish, and those that have not after a while
   * are destroyed. Idempotent.
   *
   * @param options `timeout` in milliseconds until they are; 0 at once, `Infinity` never, 5000 by default
   * @returns when all is closed
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  async close(options: { timeout?: number } = {}): Promise<void> {
    checkCloseOptions(options)
    await this.#accepting.close(options.timeout ?? 5000)
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Has it keep the process alive again. */
  ref(): this {
    this.#accepting.setBackground(false)
    return this
  }

  /** Lets the process end although it listens. Its connections are not concerned. */
  unref(): this {
    this.#accepting.setBackground(true)
    return this
  }
}
