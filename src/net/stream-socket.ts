import { type Handle, Handles } from '../engine/index.js'
import { errnoOf, markDescriptor, SHUT, SluiceError, systemError, unmarkDescriptor } from '../kernel/index.js'
import { prepareClose, prepareShutdown } from '../ring/index.js'
import type { ConnectionSettings } from './connection-options.js'
import { unwatchProgress, type Watched, watchProgress } from './deadlines.js'
import { KIND } from './kind.js'
import { ReadyReceiver } from './ready-receiver.js'
import type { Receiver, ReceiverOwner } from './receiver.js'
import { type NetResources, netResources } from './resources.js'
import { RingReceiver } from './ring-receiver.js'
import { Sender } from './sender.js'
import type { SenderOwner } from './sender-owner.js'
import { disconnect, setLinger, takenByPeer, unacknowledgedBytes, unreadBytes } from './socket-options.js'

/** How long a connection that cannot send any more is kept for a reader of what had come. */
const PATIENCE_MS = 1000

/** Who keeps an account of many connections. One object and no function for each: there may be very many. */
export interface ConnectionKeeper {
  /** The descriptor of one has been closed. */
  closed(connection: object): void
}

/**
 * What a connection is inside: a descriptor, the two halves that move its bytes, and the order in which it ends.
 *
 * The descriptor is closed when nothing is in flight on it any more and everybody who borrowed it has given it back.
 */
export class StreamSocket implements Handle, ReceiverOwner, SenderOwner {
  readonly fd: number
  readonly receiver: Receiver
  readonly sender: Sender
  readonly settings: ConnectionSettings
  /** What it failed with. */
  error: Error | undefined
  /** Told when the descriptor has been closed. */
  #waiters: (() => void)[] | undefined
  /** Borrowers of the descriptor. */
  #loans = 0
  #cutting = false
  /** Told when the connection ends while the descriptor is lent. */
  #gone: AbortController | undefined
  readonly #connection: object
  readonly #keeper: ConnectionKeeper | undefined
  readonly #number: number
  readonly #resources: NetResources
  #state: 'open' | 'ending' | 'closing' | 'closed' = 'open'
  #watches: [Watched, number][] | undefined

  /**
   * Takes over a connected socket.
   *
   * @throws `ERR_SLUICE_CLOSED`, `ERR_SLUICE_QUEUE_FULL`
   */
  constructor(
    fd: number,
    settings: ConnectionSettings,
    connection: object,
    keeper: ConnectionKeeper | undefined,
  ) {
    const resources = netResources()
    this.#resources = resources
    this.fd = fd
    this.settings = settings
    this.#connection = connection
    this.#keeper = keeper
    this.#number = resources.handles.attach(this)
    markDescriptor(fd)
    const { receiveBound } = settings
    const { blocks } = resources
    this.receiver =
      blocks === undefined
        ? new ReadyReceiver(resources, this, this.#number, fd, receiveBound)
        : new RingReceiver(resources, this, this.#number, fd, receiveBound, blocks)
    this.sender = new Sender(resources, this, this.#number, fd, settings)
    if (settings.idleTimeout > 0) this.#watchIdle(settings.idleTimeout)
    if (settings.readTimeout > 0) this.#watchReads(settings.readTimeout)
    if (settings.writeTimeout > 0) this.#watchWrites(settings.writeTimeout)
  }

  #watchIdle(milliseconds: number): void {
    const { receiver, sender, fd } = this
    let taken = 0
    let settled = -1
    // A peer that has taken all of it takes no more before more is sent: a silent connection costs no call.
    const sent = () => {
      if (sender.queued > 0 || sender.bytes !== settled) {
        taken = takenByPeer(fd)
        settled = unacknowledgedBytes(fd) === 0 ? sender.bytes : -1
      }
      return sender.bytes + taken
    }
    this.#watch(milliseconds, () => receiver.bytes + sent())
  }

  #watchWrites(milliseconds: number): void {
    const { sender, fd } = this
    const waits = () => sender.queued > 0 || unacknowledgedBytes(fd) > 0
    this.#watch(milliseconds, () => (waits() ? this.#sent() : undefined), 'write')
  }

  /**
   * Changes whenever the peer takes bytes. A large send is one operation for as long as it takes, and the kernel holds
   * bytes for long where the peer is slow: only the kernel knows how far they have come.
   */
  #sent(): number {
    return this.sender.bytes + takenByPeer(this.fd)
  }

  #watchReads(milliseconds: number): void {
    const { receiver } = this
    // A read that waits on while no byte has come is still the same one, unless one was aborted in between.
    this.#watch(milliseconds, () => (receiver.waiting ? receiver.bytes + receiver.aborts : undefined))
  }

  #watch(
    milliseconds: number,
    beat: () => number | undefined,
    failure: 'read' | 'write' | Error = 'read',
  ): void {
    const error = () => (typeof failure === 'string' ? systemError(errnoOf('ETIMEDOUT'), failure) : failure)
    const watched = { beat, expired: () => this.destroy(error()) }
    this.#watches ??= []
    this.#watches.push([watched, milliseconds])
    watchProgress(watched, milliseconds)
  }

  /** Whether the connection has neither failed nor been closed. */
  get isOpen(): boolean {
    return this.#state === 'open'
  }

  /** Whether the descriptor has been closed. */
  get isClosed(): boolean {
    return this.#state === 'closed'
  }

  complete(kind: number, result: number, flags: number): void {
    switch (kind) {
      case KIND.TRY:
        this.sender.tried(result)
        break
      case KIND.SEND:
        this.sender.sent(result)
        break
      case KIND.SHUTDOWN:
        this.sender.shut(result)
        this.#endWhenBothHave()
        break
      case KIND.CLOSE:
        this.#closed()
        break
      case KIND.CUT:
        this.#cutting = false
        this.#closeWhenIdle()
        break
      default:
        this.receiver.complete(kind, result, flags)
    }
  }

  flush(): void {
    this.sender.flush()
  }

  abandon(): void {
    this.destroy(new SluiceError('ERR_SLUICE_CLOSED', 'The engine is closed'))
  }

  receiveEnded(error: Error | undefined): void {
    if (error !== undefined) this.destroy(error)
    else this.#endWhenBothHave()
  }

  /** With both halves ended, nothing more can happen on the descriptor; who has borrowed it may not know yet. */
  #endWhenBothHave(): void {
    if (this.receiver.end !== 'ended' || this.#loans > 0) return
    if (this.sender.ended || this.sender.failure !== undefined) this.#wind()
  }

  /**
   * The failure of a send ends the connection, but what had come before may still be read: it is kept while a read waits
   * or somebody moves bytes by the descriptor, and a second longer each time that something was read.
   */
  sendFailed(error: Error): void {
    if (this.receiver.end === 'ended') this.destroy(error)
    else setImmediate(() => this.#endUnlessRead(error))
  }

  #endUnlessRead(error: Error): void {
    const { receiver } = this
    const isUsed = () => receiver.waiting || this.#loans > 0
    if (this.#state !== 'open') return
    if (!isUsed() && unreadBytes(this.fd) === 0) {
      this.destroy(error)
      return
    }
    const beat = () => (isUsed() ? undefined : receiver.bytes - receiver.queued)
    this.#watch(PATIENCE_MS, beat, error)
  }

  receiverIdle(): void {
    this.#closeWhenIdle()
  }

  senderIdle(): void {
    this.#closeWhenIdle()
  }

  /** Ends everything now: what waits rejects with the error. @param failed whether that is what the connection failed with */
  destroy(error: Error, failed = true): void {
    if (this.#state !== 'open') return
    if (failed) this.error = error
    this.receiver.finish(error)
    this.#wind(error)
  }

  #wind(error?: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'ending'
    for (const [watched, milliseconds] of this.#watches ?? []) unwatchProgress(watched, milliseconds)
    this.receiver.stop()
    this.sender.stop(error ?? systemError(errnoOf('EPIPE'), 'write'))
    this.#gone?.abort(error)
    if (this.#loans > 0) this.#endLoans()
    this.#closeWhenIdle()
  }

  /** Has whatever a borrower waits for on the descriptor end. */
  #endLoans(): void {
    this.#cutting = true
    const { handles } = this.#resources
    const data = Handles.userData(this.#number, KIND.CUT)
    handles.place(() => prepareShutdown(handles.submissions, this.fd, SHUT.RDWR, data))
  }

  /** As `destroy()`, and the peer sees a reset rather than an end. */
  reset(error: Error): void {
    if (this.#state !== 'open') return
    setLinger(this.fd)
    // What ends the waits of borrowers would tell the peer of an end first: it has to hear of the reset before.
    if (this.#loans > 0) disconnect(this.fd)
    this.destroy(error, false)
  }

  #closeWhenIdle(): void {
    if (this.#state !== 'ending' || this.#loans > 0 || this.#cutting) return
    if (this.receiver.busy || this.sender.busy) return
    this.#state = 'closing'
    unmarkDescriptor(this.fd)
    const { handles } = this.#resources
    const data = Handles.userData(this.#number, KIND.CLOSE)
    handles.place(() => prepareClose(handles.submissions, this.fd, data))
  }

  #closed(): void {
    this.#state = 'closed'
    this.#resources.handles.detach(this.#number)
    this.#keeper?.closed(this.#connection)
    for (const told of this.#waiters ?? []) told()
  }

  /** @returns when the descriptor has been closed */
  whenClosed(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve()
    this.#waiters ??= []
    const waiters = this.#waiters
    return new Promise(resolve => waiters.push(resolve))
  }

  /** Says whether it keeps the process alive. */
  setBackground(background: boolean): void {
    if (this.#state !== 'closed') this.#resources.handles.setBackground(this.#number, background)
  }

  /** Keeps the descriptor open until `giveBack()`. @returns aborted when the connection ends meanwhile */
  lend(): AbortSignal {
    this.#loans++
    this.#gone ??= new AbortController()
    return this.#gone.signal
  }

  /** Ends what `lend()` began. */
  giveBack(): void {
    this.#loans--
    this.#endWhenBothHave()
    this.#closeWhenIdle()
  }
}
