import { Handles } from '../engine/index.js'
import { errnoOf, IORING_CQE_F } from '../kernel/index.js'
import type { BlockRing } from '../ring/index.js'
import { limitReceived, prepareRecvMultishot } from '../ring/index.js'
import { KIND } from './kind.js'
import { Receiver, type ReceiverOwner } from './receiver.js'
import { BLOCK_BYTES, type NetResources, RECEIVE_GROUP } from './resources.js'

const { MORE } = IORING_CQE_F
const EINVAL = -errnoOf('EINVAL')
const ENOBUFS = -errnoOf('ENOBUFS')
const ECANCELED = -errnoOf('ECANCELED')

/** Memory of `readInto()` from which on the kernel may fill it itself. */
const DIRECT_BYTES = 16384
/** A message from which on receiving directly beats copying. */
const LARGE_BYTES = 8192
/** A message for which it does not, and how many of them in a row change our mind. */
const SMALL_BYTES = 2048
const SMALL_STREAK = 4

/**
 * Receives on the ring. While messages are small, one multishot receive stays armed and brings each into a shared
 * block; it is limited to what may be queued, so nothing comes beyond the bound. Where messages are large and the
 * reader brings its own memory, the kernel fills that directly.
 */
export class RingReceiver extends Receiver {
  readonly #blocks: BlockRing
  #armed = false
  /** Whether what is armed was given a limit, which this kernel may refuse; several may be on their way when the first is. */
  #limited = false
  /** The multishot receive is the way of the moment: it is armed again as soon as there is room. */
  #shared = false
  /** Small messages in a row that were received directly. */
  #small = 0

  constructor(
    resources: NetResources,
    owner: ReceiverOwner,
    number: number,
    fd: number,
    bound: number,
    blocks: BlockRing,
  ) {
    super(resources, owner, number, fd, bound)
    this.#blocks = blocks
  }

  protected get receiving(): boolean {
    return this.#armed
  }

  protected want(): void {
    if (this.#armed || this.direct || this.stopped || this.end !== undefined) return
    const into = this.into
    if (into !== undefined && into.byteLength >= DIRECT_BYTES && this.#small < SMALL_STREAK) {
      this.#shared = false
      this.receiveDirectly()
    } else if (this.waiting || (this.#shared && this.queued * 2 < this.bound)) {
      this.#arm()
    }
  }

  #arm(): void {
    this.#armed = true
    this.#shared = true
    const { handles } = this.resources
    const credit = Math.max(1, this.bound - this.queued)
    const data = Handles.userData(this.number, KIND.RECEIVE)
    handles.place(() => {
      const each = Math.min(credit, BLOCK_BYTES)
      if (!prepareRecvMultishot(handles.submissions, this.fd, RECEIVE_GROUP, each, 0, data)) return false
      this.#limited = this.resources.limits
      if (this.#limited) limitReceived(handles.submissions, credit)
      return true
    })
  }

  protected cancel(): void {
    if (this.#armed) this.resources.handles.cancel(Handles.userData(this.number, KIND.RECEIVE))
  }

  protected received(_kind: number, result: number, flags: number): void {
    if ((flags & MORE) === 0) this.#armed = false
    if (result <= 0) {
      this.#ended(result)
      return
    }
    if (this.into !== undefined && result >= LARGE_BYTES) this.#preferDirect()
    const blocks = this.#blocks
    blocks.pass(flags, result)
    this.deliverFrom(blocks.block, blocks.start, result)
    if (!this.#armed) this.want()
    else if (!this.#limited && this.queued >= this.bound) this.cancel()
  }

  #preferDirect(): void {
    this.#small = 0
    this.#shared = false
    this.cancel()
  }

  #ended(result: number): void {
    const { resources } = this
    if (result === EINVAL && this.#limited) resources.limits = false
    else if (result === ENOBUFS) this.#blocks.grow()
    else if (result !== ECANCELED) this.over(result)
    this.want()
  }

  protected override directDone(result: number): void {
    if (result > 0) this.#small = result < SMALL_BYTES ? this.#small + 1 : 0
    super.directDone(result)
  }
}
