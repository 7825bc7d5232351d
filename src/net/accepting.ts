import { AsyncResource } from 'node:async_hooks'
import { type Handle, Handles } from '../engine/index.js'
import {
  errnoOf,
  IORING_CQE_F,
  markDescriptor,
  SOCK,
  syscall,
  systemError,
  unmarkDescriptor,
} from '../kernel/index.js'
import { prepareAccept, prepareAcceptMultishot, prepareClose } from '../ring/index.js'
import { Connection } from './connection.js'
import { type ConnectionSettings, connectionSettings } from './connection-options.js'
import { KIND } from './kind.js'
import { isOwnFailure } from './own-failure.js'
import { type NetResources, netResources } from './resources.js'
import type { ConnectionHandler, ListenerStats, ServingOptions } from './serving-options.js'
import type { ConnectionKeeper } from './stream-socket.js'

const { MORE } = IORING_CQE_F
/** Of accept(2): no descriptor or no memory is left, which time or a close will mend. */
const EXHAUSTED = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS'].map(name => -errnoOf(name)))
/** Of accept(2): concerns one connection that is gone again, not the listener. */
const PASSING = new Set(
  ['ECONNABORTED', 'EINTR', 'EAGAIN', 'EPROTO', 'EPERM', 'ENETDOWN', 'EHOSTUNREACH'].map(
    name => -errnoOf(name),
  ),
)
const EINVAL = -errnoOf('EINVAL')
const ECANCELED = -errnoOf('ECANCELED')
/** How long to leave it when descriptors are exhausted and none of ours is closed. */
const RETRY_MS = 100
/** Free places from which on connections are taken one at a time; a full backlog of the default length brings as many. */
const NEAR = 512

/** What a listener is inside: one accept that stays armed, suspended while there is no place for a connection. */
export class Accepting implements Handle, ConnectionKeeper {
  readonly connections = new Set<Connection>()
  readonly #fd: number
  readonly #number: number
  readonly #resources: NetResources
  readonly #settings: ConnectionSettings
  readonly #maxConnections: number
  readonly #shared: boolean
  readonly #onError: (error: Error, connection?: Connection) => void
  readonly #handler: ConnectionHandler
  readonly #context = new AsyncResource('SluiceListener')
  readonly #ended: (() => void) | undefined
  /** Accepted past `maxConnections`, before the kernel heard of it. They are marked as this thread's. */
  #parked: number[] = []
  #armed = false
  #multishot = false
  #cancelling = false
  #background = false
  #exhausted: NodeJS.Timeout | undefined
  #accepted = 0
  #pauses = 0
  #closing: Promise<void> | undefined
  #isClosed = false
  #descriptorClosed: (() => void) | undefined
  #lastClosed: (() => void) | undefined

  constructor(
    fd: number,
    options: ServingOptions,
    handler: ConnectionHandler,
    ended: (() => void) | undefined,
  ) {
    this.#fd = fd
    this.#settings = connectionSettings(options)
    this.#shared = options.shared ?? false
    this.#maxConnections = options.maxConnections ?? Infinity
    this.#onError = options.onError ?? warn
    this.#handler = handler
    this.#ended = ended
    this.#resources = netResources()
    this.#number = this.#resources.handles.attach(this)
    markDescriptor(fd)
    this.#arm()
  }

  stats(): ListenerStats {
    return { accepted: this.#accepted, connections: this.connections.size, pauses: this.#pauses }
  }

  setBackground(background: boolean): void {
    if (this.#closing !== undefined) return
    this.#resources.handles.setBackground(this.#number, background)
    this.#background = background
    this.#holdRetry()
  }

  /** Connections that it may still have. */
  get #places(): number {
    return this.#maxConnections - this.connections.size
  }

  #arm(): void {
    if (this.#armed || this.#closing !== undefined || this.#exhausted !== undefined) return
    if (this.#places <= 0) return
    this.#armed = true
    const { handles } = this.#resources
    const data = Handles.userData(this.#number, KIND.ACCEPT)
    // An exclusive wait that stays armed is always the first to be woken; one that is armed anew goes to the end.
    this.#multishot = this.#resources.acceptsMany && !this.#shared && this.#places > NEAR
    const prepare = this.#multishot ? prepareAcceptMultishot : prepareAccept
    handles.place(() => prepare(handles.submissions, this.#fd, SOCK.CLOEXEC | SOCK.NONBLOCK, data))
  }

  #disarm(): void {
    if (!this.#armed || this.#cancelling) return
    this.#cancelling = true
    this.#resources.handles.cancel(Handles.userData(this.#number, KIND.ACCEPT))
  }

  complete(kind: number, result: number, flags: number): void {
    if (kind === KIND.CLOSE) {
      this.#resources.handles.detach(this.#number)
      this.#descriptorClosed?.()
      return
    }
    if ((flags & MORE) === 0) {
      this.#armed = false
      this.#cancelling = false
    }
    if (result >= 0) this.#take(result)
    else if (result === EINVAL && this.#multishot && this.#accepted === 0) this.#resources.acceptsMany = false
    else this.#failed(result)
    if (!this.#armed) this.#resume()
  }

  /** The accept has ended. */
  #resume(): void {
    if (this.#closing === undefined) this.#arm()
    else this.#closeDescriptor()
  }

  #take(fd: number): void {
    if (this.#closing !== undefined) {
      syscall('close', fd)
    } else if (this.#places <= 0) {
      markDescriptor(fd)
      this.#parked.push(fd)
    } else {
      this.#serve(fd)
      if (this.#places <= 0) this.#pauses++
      if (this.#places <= 0 || (this.#multishot && this.#places <= NEAR)) this.#disarm()
    }
  }

  #serveParked(): void {
    while (this.#parked.length > 0 && this.#places > 0) this.#serve(this.#parked.shift() as number)
  }

  #failed(result: number): void {
    if (result === ECANCELED || PASSING.has(result) || this.#closing !== undefined) return
    this.#report(systemError(result, 'accept'))
    // Also after anything unheard of: a listener that stops for good without a word would be worse.
    this.#pauses++
    this.#exhausted = setTimeout(() => this.#retry(), EXHAUSTED.has(result) ? RETRY_MS : RETRY_MS * 10)
    this.#holdRetry()
  }

  /** The pause keeps the process alive as the accept would, unless connections do. */
  #holdRetry(): void {
    if (this.#background || this.connections.size > 0) this.#exhausted?.unref()
    else this.#exhausted?.ref()
  }

  #retry(): void {
    clearTimeout(this.#exhausted)
    this.#exhausted = undefined
    this.#arm()
  }

  #serve(fd: number): void {
    this.#accepted++
    let connection: Connection
    try {
      connection = new Connection(fd, this.#settings, this)
    } catch (error) {
      closeMarked(fd)
      this.#report(error as Error)
      return
    }
    this.connections.add(connection)
    this.#context.runInAsyncScope(this.#handle, this, connection)
  }

  #handle(connection: Connection): void {
    try {
      const served = this.#handler(connection)
      if (served instanceof Promise) {
        served.then(
          () => {
            if (!connection.handedOn) void connection.close()
          },
          error => this.#handlerFailed(connection, error),
        )
      }
    } catch (error) {
      this.#handlerFailed(connection, error)
    }
  }

  /** What the connection itself has failed with is its peer's doing, and no news to anybody. */
  #handlerFailed(connection: Connection, error: unknown): void {
    if (!isOwnFailure(connection, error)) this.#report(asError(error), connection)
    connection.destroy(asError(error))
  }

  #report(error: Error, connection?: Connection): void {
    try {
      this.#context.runInAsyncScope(this.#onError, undefined, error, connection)
    } catch (failure) {
      queueMicrotask(() => {
        throw failure
      })
    }
  }

  closed(connection: Connection): void {
    this.connections.delete(connection)
    if (this.#closing === undefined) this.#serveParked()
    if (this.#exhausted !== undefined) this.#retry()
    else this.#arm()
    if (this.connections.size === 0) this.#lastClosed?.()
  }

  flush(): void {}

  abandon(): void {
    this.close(0)
  }

  close(timeout: number): Promise<void> {
    this.#closing ??= this.#close(timeout)
    return this.#closing
  }

  async #close(timeout: number): Promise<void> {
    clearTimeout(this.#exhausted)
    for (const fd of this.#parked.splice(0)) closeMarked(fd)
    const closed = new Promise<void>(resolve => {
      this.#descriptorClosed = resolve
    })
    // After this turn, so that `#closing` is set by then; the accept may have ended in it, and the descriptor with it.
    await undefined
    if (this.#armed) this.#disarm()
    else this.#closeDescriptor()
    await closed
    this.#ended?.()
    await this.#endConnections(timeout)
  }

  #closeDescriptor(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    unmarkDescriptor(this.#fd)
    const { handles } = this.#resources
    const data = Handles.userData(this.#number, KIND.CLOSE)
    handles.place(() => prepareClose(handles.submissions, this.#fd, data))
  }

  async #endConnections(timeout: number): Promise<void> {
    if (this.connections.size === 0) return
    const last = new Promise<void>(resolve => {
      this.#lastClosed = resolve
    })
    const force = () => {
      for (const connection of this.connections) connection.destroy()
    }
    const timer = timeout === 0 || timeout === Infinity ? undefined : setTimeout(force, timeout)
    if (timeout === 0) force()
    await last
    clearTimeout(timer)
  }
}

function closeMarked(fd: number): void {
  unmarkDescriptor(fd)
  syscall('close', fd)
}

function asError(error: unknown): Error {
  return error instanceof Error
    ? error
    : new Error('A connection handler threw what is no error', { cause: error })
}

function warn(error: Error): void {
  process.emitWarning(error)
}
