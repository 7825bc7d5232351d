import { Handles } from '../engine/index.js'
import {
  controlSpace,
  errnoOf,
  IO_URING_RECVMSG_OUT,
  IORING_CQE_F,
  IORING_OP,
  MSG,
  messageHeader,
  SOCKADDR_STORAGE_SIZE,
} from '../kernel/index.js'
import { BufferRing, prepareRecvmsgMultishot } from '../ring/index.js'
import type { DatagramSource, DatagramTarget } from './datagram-source.js'
import { KIND } from './kind.js'

const { MORE } = IORING_CQE_F
const ENOBUFS = -errnoOf('ENOBUFS')
const ECANCELED = -errnoOf('ECANCELED')

const NAME_BYTES = SOCKADDR_STORAGE_SIZE
const CONTROL_BYTES = controlSpace(4)
/** Where a message's payload begins in its buffer. */
const HEAD_BYTES = IO_URING_RECVMSG_OUT.SIZE + NAME_BYTES + CONTROL_BYTES
/** Datagrams that can come in one turn of the event loop. */
const BUFFERS = 64

/** The first group that sockets may use, beside the connections' own. */
let nextGroup = 2
const freeGroups: number[] = []

/** Datagrams by one multishot receive into a ring of buffers. While too much is queued the buffers are kept back. */
export class RingDatagrams implements DatagramSource {
  readonly #target: DatagramTarget
  readonly #buffers: BufferRing
  readonly #header = messageHeader({
    name: new Uint8Array(new ArrayBuffer(NAME_BYTES)),
    control: new Uint8Array(new ArrayBuffer(CONTROL_BYTES)),
  })
  #withheld: number[] = []
  #armed = false
  #stopped = false
  #serving = false

  private constructor(target: DatagramTarget, buffers: BufferRing) {
    this.#target = target
    this.#buffers = buffers
  }

  /** @returns undefined where the driver has no such buffers, or a receive cannot stay armed */
  static make(target: DatagramTarget): RingDatagrams | undefined {
    // Kernel 6.0 brought it, which no probe tells, together with this operation, which one does; buffers are older.
    if (!target.resources.engine.supports(IORING_OP.SEND_ZC)) return undefined
    const group = freeGroups.pop() ?? nextGroup++
    const options = { group, entries: BUFFERS, bufferSize: HEAD_BYTES + target.maxSize }
    const buffers = target.resources.handles.bufferRing(options)
    return buffers === undefined ? undefined : new RingDatagrams(target, buffers)
  }

  get busy(): boolean {
    return this.#armed
  }

  want(): void {
    if (this.#stopped) return
    const { inbox, bound } = this.#target
    if (this.#withheld.length > 0 && inbox.queued * 2 < bound) {
      for (const id of this.#withheld) this.#buffers.give(id)
      this.#withheld = []
    }
    if (!this.#armed && this.#buffers.available > 0) this.#arm()
  }

  #arm(): void {
    this.#armed = true
    const { resources, fd, number } = this.#target
    const { submissions } = resources.handles
    const data = Handles.userData(number, KIND.RECEIVE)
    const { group } = this.#buffers
    resources.handles.place(() => prepareRecvmsgMultishot(submissions, fd, this.#header, group, 0, data))
  }

  complete(_kind: number, result: number, flags: number): void {
    if ((flags & MORE) === 0) this.#armed = false
    if (result >= HEAD_BYTES) this.#take(result, flags)
    else if (result < 0 && result !== ENOBUFS && result !== ECANCELED) this.#target.inbox.fail(result)
    if (!this.#armed && this.#target.inbox.waiting) this.want()
  }

  #take(length: number, flags: number): void {
    const { inbox, bound } = this.#target
    const message = this.#buffers.take(flags, length)
    const head = new DataView(message.buffer, message.byteOffset, IO_URING_RECVMSG_OUT.SIZE)
    const name = IO_URING_RECVMSG_OUT.SIZE
    const control = name + NAME_BYTES
    inbox.take(
      message.subarray(HEAD_BYTES),
      message.subarray(name, name + head.getUint32(IO_URING_RECVMSG_OUT.NAMELEN, true)),
      message.subarray(control, control + head.getUint32(IO_URING_RECVMSG_OUT.CONTROLLEN, true)),
      (head.getUint32(IO_URING_RECVMSG_OUT.FLAGS, true) & MSG.TRUNC) !== 0,
    )
    const id = BufferRing.id(flags)
    if (inbox.queued < bound) this.#buffers.give(id)
    else this.#withheld.push(id)
    this.#serveSoon()
  }

  /** Once all that came together has been taken. */
  #serveSoon(): void {
    if (this.#serving) return
    this.#serving = true
    queueMicrotask(() => {
      this.#serving = false
      this.#target.inbox.serve()
    })
  }

  stop(): void {
    this.#stopped = true
    const { resources, number } = this.#target
    if (this.#armed) resources.handles.cancel(Handles.userData(number, KIND.RECEIVE))
  }

  release(): void {
    freeGroups.push(this.#buffers.group)
    if (this.#target.resources.engine.isOpen) this.#buffers.close()
  }
}
