import { type Handle, Handles } from '../engine/index.js'
import {
  AbortError,
  checkInteger,
  checkObject,
  checkSignal,
  encodeSocketAddress,
  invalidArgType,
  markDescriptor,
  SluiceError,
  type SocketAddress,
  syscall,
  systemError,
  unmarkDescriptor,
} from '../kernel/index.js'
import { prepareClose } from '../ring/index.js'
import type { Datagram } from './datagram.js'
import { DatagramInbox } from './datagram-inbox.js'
import { type DatagramAddress, DatagramSender, type OutgoingDatagram } from './datagram-sender.js'
import type { DatagramSource } from './datagram-source.js'
import { KIND } from './kind.js'
import { ReadyDatagrams } from './ready-datagrams.js'
import { type NetResources, netResources } from './resources.js'
import { RingDatagrams } from './ring-datagrams.js'
import { socketAddress } from './socket-address.js'

/** Datagrams that one call gives at most, where the caller does not say. */
const MOST = 1024
/** How long a socket that closes waits for the next of its sends to end, before it cancels them. */
const STUCK_MS = 100

/** How a datagram socket behaves. */
export interface DatagramSettings {
  /** Bytes of a datagram that are kept. */
  readonly maxSize: number
  /** Bytes that may have come and not been received. */
  readonly receiveBound: number
  /** Whether it is UDP, where datagrams of one size can be sent together. */
  readonly segments: boolean
}

/**
 * A socket for datagrams: UDP, or Unix. Those that come together are given together, those that are sent in one turn go
 * to the kernel together.
 *
 * ```ts
 * await using socket = await bind({ port: 9000 })
 * for await (const datagram of socket) await socket.send(datagram.bytes, datagram)
 * ```
 *
 * It keeps the process alive until it is closed.
 */
export class DatagramSocket implements AsyncIterable<Datagram>, AsyncDisposable {
  readonly #endpoint: Endpoint

  /** Takes over a datagram socket; for users there is `bind()`. @param ended told when it is closed */
  constructor(fd: number, settings: DatagramSettings, ended?: () => void) {
    this.#endpoint = new Endpoint(fd, settings, ended)
  }

  /** The descriptor; -1 once closed. */
  get fd(): number {
    return this.#endpoint.isOpen ? this.#endpoint.fd : -1
  }

  /** Where it is bound. */
  address(): SocketAddress | undefined {
    return this.#endpoint.isOpen ? socketAddress(this.#endpoint.fd, 'getsockname') : undefined
  }

  /** Where it is connected to. */
  remoteAddress(): SocketAddress | undefined {
    return this.#endpoint.isOpen ? socketAddress(this.#endpoint.fd, 'getpeername') : undefined
  }

  /** Datagrams received so far. */
  get received(): number {
    return this.#endpoint.inbox.count
  }

  /**
   * The datagrams that have come, at least one.
   *
   * @param most how many at most
   * @param options `signal` ends the wait, with an `AbortError`; what comes later is for the next call
   * @throws an error of the socket, after which it can be used as before: `ECONNREFUSED` where it is connected;
   *   `ERR_SLUICE_BUSY` while another call waits; `ERR_SLUICE_CLOSED`
   */
  async receive(most = MOST, options?: { signal?: AbortSignal }): Promise<Datagram[]> {
    checkInteger(most, 'most', 1)
    const { inbox } = this.#endpoint
    const signal = options?.signal
    if (signal === undefined) return inbox.receive(most)
    checkSignal(signal)
    const wasWaiting = inbox.waiting
    const receiving = inbox.receive(most)
    // Refused, or settled already: the wait that there is, if any, is another's.
    if (wasWaiting || !inbox.waiting) return receiving
    const abort = () => inbox.abort(new AbortError(signal))
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await receiving
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** The datagrams, one by one, until the socket is closed. Leaving the loop early leaves the others to the next call. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Datagram, undefined> {
    while (this.#endpoint.isOpen) {
      let batch: Datagram[]
      try {
        batch = await this.receive()
      } catch (error) {
        if ((error as { code?: string }).code === 'ERR_SLUICE_CLOSED') return
        throw error
      }
      try {
        for (let next = batch.shift(); next !== undefined; next = batch.shift()) yield next
      } finally {
        this.#endpoint.inbox.giveBack(batch)
      }
    }
  }

  /**
   * Sends a datagram. Its memory must stay as it is until the promise settles.
   *
   * @param to where to; needed unless the socket is connected
   * @returns when the kernel has it, which says nothing about its arrival
   * @throws the system error of sendmsg(2): `EMSGSIZE`, `ENETUNREACH`, `EDESTADDRREQ`; `ERR_SLUICE_CLOSED`
   */
  async send(bytes: Uint8Array, to?: DatagramAddress): Promise<void> {
    if (!(bytes instanceof Uint8Array)) throw invalidArgType('bytes', 'an instance of Uint8Array', bytes)
    this.#endpoint.check()
    await this.#endpoint.sender.send(bytes, to)
  }

  /**
   * Sends many datagrams with one system call. Those of one size to one peer that follow one another go through the
   * network stack as one, where it can cut them (UDP_SEGMENT).
   *
   * @throws as `send()`, for the first that fails, after all have been tried
   */
  async sendBatch(datagrams: readonly OutgoingDatagram[]): Promise<void> {
    if (!Array.isArray(datagrams)) throw invalidArgType('datagrams', 'an instance of Array', datagrams)
    this.#endpoint.check()
    await this.#endpoint.sender.sendBatch(datagrams)
  }

  /** Sends to, and receives from, that peer alone from now on. @throws the system error of connect(2) */
  connect(to: { readonly address: string; readonly port: number } | { readonly path: string }): void {
    this.#endpoint.check()
    checkObject(to, 'to')
    const name = encodeSocketAddress(to)
    const result = syscall('connect', this.#endpoint.fd, name, name.byteLength)
    if (result < 0) throw systemError(result, 'connect', 'path' in to ? { address: to.path } : to)
  }

  /**
   * Ends it, when what is being sent has been sent. Where none of that gets any further for a tenth of a second, as to a
   * Unix socket that nobody reads from, the rest rejects with `ERR_SLUICE_CLOSED`. Idempotent.
   */
  close(): Promise<void> {
    return this.#endpoint.close()
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Has it keep the process alive again. */
  ref(): this {
    this.#endpoint.setBackground(false)
    return this
  }

  /** Lets the process end although it is open. */
  unref(): this {
    this.#endpoint.setBackground(true)
    return this
  }
}

/** What a datagram socket is inside. */
class Endpoint implements Handle {
  readonly fd: number
  readonly inbox: DatagramInbox
  readonly sender: DatagramSender
  readonly #resources: NetResources
  readonly #number: number
  readonly #source: DatagramSource
  readonly #ended: (() => void) | undefined
  #closing: Promise<void> | undefined
  #idle: (() => void) | undefined
  #closed: (() => void) | undefined

  constructor(fd: number, settings: DatagramSettings, ended: (() => void) | undefined) {
    const resources = netResources()
    this.fd = fd
    this.#ended = ended
    this.#resources = resources
    this.#number = resources.handles.attach(this)
    markDescriptor(fd)
    this.inbox = new DatagramInbox(() => this.#source.want())
    this.sender = new DatagramSender(resources.engine, fd, settings.segments)
    const { maxSize, receiveBound: bound } = settings
    const target = { resources, inbox: this.inbox, number: this.#number, fd, maxSize, bound }
    try {
      this.#source = RingDatagrams.make(target) ?? new ReadyDatagrams(target)
    } catch (error) {
      // No memory to register.
      unmarkDescriptor(fd)
      resources.handles.detach(this.#number)
      throw error
    }
  }

  get isOpen(): boolean {
    return this.#closing === undefined
  }

  check(): void {
    if (!this.isOpen) throw closed()
  }

  complete(kind: number, result: number, flags: number): void {
    if (kind === KIND.CLOSE) {
      this.#resources.handles.detach(this.#number)
      this.#closed?.()
      return
    }
    this.#source.complete(kind, result, flags)
    if (!this.#source.busy) this.#idle?.()
  }

  flush(): void {}

  abandon(): void {
    this.close()
  }

  setBackground(background: boolean): void {
    if (this.isOpen) this.#resources.handles.setBackground(this.#number, background)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.inbox.close(closed())
    this.#source.stop()
    if (this.#source.busy) {
      await new Promise<void>(resolve => {
        this.#idle = resolve
      })
    }
    await this.#endSends()
    this.#source.release()
    unmarkDescriptor(this.fd)
    const { handles } = this.#resources
    const data = Handles.userData(this.#number, KIND.CLOSE)
    await new Promise<void>(resolve => {
      this.#closed = resolve
      handles.place(() => prepareClose(handles.submissions, this.fd, data))
    })
    this.#ended?.()
  }

  /** Waits for what is being sent; what gets no further is cancelled. Nothing else may be in flight. */
  async #endSends(): Promise<void> {
    const { sender } = this
    const { usage } = sender
    let left = usage.inFlight
    if (left === 0) return
    const look = () => {
      if (usage.inFlight < left && sender.cancelled === undefined) left = usage.inFlight
      else this.#cancelSends()
    }
    const timer = setInterval(look, STUCK_MS)
    while (usage.inFlight > 0) {
      await new Promise<void>(resolve => {
        usage.idle = resolve
      })
    }
    clearInterval(timer)
  }

  /** Those that wait for a slot of the engine begin meanwhile: it is done again until there are none. */
  #cancelSends(): void {
    this.sender.cancelled ??= closed()
    this.#resources.engine.cancelUsage(this.sender.usage)
  }
}

function closed(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'The socket is closed')
}
