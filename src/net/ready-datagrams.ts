import { Handles } from '../engine/index.js'
import {
  addressOf,
  controlSpace,
  errnoOf,
  MMSGHDR,
  MSG,
  MSGHDR,
  POLL,
  SOCKADDR_STORAGE_SIZE,
  setIovec,
  syscall,
} from '../kernel/index.js'
import { preparePollAdd } from '../ring/index.js'
import type { DatagramSource, DatagramTarget } from './datagram-source.js'
import { KIND } from './kind.js'

const EAGAIN = -errnoOf('EAGAIN')
const EINTR = -errnoOf('EINTR')
const ECANCELED = -errnoOf('ECANCELED')

/** Datagrams that one call fetches at most. */
const BATCH = 16
const MAX_BYTES = 65536
const NAME_BYTES = SOCKADDR_STORAGE_SIZE
const CONTROL_BYTES = controlSpace(4)
const SLOT_BYTES = NAME_BYTES + CONTROL_BYTES + MAX_BYTES

/** What recvmmsg(2) fills in, for every socket of a thread in turn: what comes is copied out at once. */
class Messages {
  readonly #headers = new Uint32Array(new ArrayBuffer(BATCH * MMSGHDR.SIZE))
  readonly #vectors = new Uint32Array(new ArrayBuffer(BATCH * 16))
  readonly #memory = new Uint8Array(new ArrayBuffer(BATCH * SLOT_BYTES))
  readonly #base = addressOf(this.#memory)

  constructor() {
    const vectors = addressOf(this.#vectors)
    for (let index = 0; index < BATCH; index++) {
      const slot = this.#base + index * SLOT_BYTES
      this.#point(index, MSGHDR.NAME, slot)
      this.#point(index, MSGHDR.IOV, vectors + index * 16)
      this.#point(index, MSGHDR.CONTROL, slot + NAME_BYTES)
      this.#headers[this.#at(index, MSGHDR.IOVLEN)] = 1
    }
  }

  #at(index: number, field: number): number {
    return (index * MMSGHDR.SIZE + field) / 4
  }

  #point(index: number, field: number, address: number): void {
    this.#headers[this.#at(index, field)] = address
    this.#headers[this.#at(index, field) + 1] = Math.floor(address / 2 ** 32)
  }

  /** @returns how many came, or -errno */
  receive(fd: number, maxSize: number): number {
    for (let index = 0; index < BATCH; index++) {
      const payload = this.#base + index * SLOT_BYTES + NAME_BYTES + CONTROL_BYTES
      setIovec(this.#vectors, index, payload, Math.min(maxSize, MAX_BYTES))
      this.#headers[this.#at(index, MSGHDR.NAMELEN)] = NAME_BYTES
      this.#headers[this.#at(index, MSGHDR.CONTROLLEN)] = CONTROL_BYTES
    }
    return syscall('recvmmsg', fd, this.#headers, BATCH, MSG.DONTWAIT, 0)
  }

  /** Hands one of them to an inbox. */
  deliver(index: number, target: DatagramTarget): void {
    const word = (field: number) => this.#headers[this.#at(index, field)]
    const slot = index * SLOT_BYTES
    const control = slot + NAME_BYTES
    const payload = control + CONTROL_BYTES
    target.inbox.take(
      this.#memory.subarray(payload, payload + word(MMSGHDR.LEN)),
      this.#memory.subarray(slot, slot + word(MSGHDR.NAMELEN)),
      this.#memory.subarray(control, control + word(MSGHDR.CONTROLLEN)),
      (word(MSGHDR.FLAGS) & MSG.TRUNC) !== 0,
    )
  }
}

let messages: Messages | undefined

/** Datagrams where the kernel does not pick buffers: fetched together once there are some that somebody waits for. */
export class ReadyDatagrams implements DatagramSource {
  readonly #target: DatagramTarget
  #polling = false
  #stopped = false

  constructor(target: DatagramTarget) {
    this.#target = target
  }

  get busy(): boolean {
    return this.#polling
  }

  want(): void {
    if (this.#polling || this.#stopped || !this.#target.inbox.waiting) return
    this.#polling = true
    const { resources, fd, number } = this.#target
    const data = Handles.userData(number, KIND.POLL)
    resources.handles.place(() => preparePollAdd(resources.handles.submissions, fd, POLL.IN, data))
  }

  complete(_kind: number, result: number): void {
    this.#polling = false
    const { inbox } = this.#target
    if (result >= 0 && inbox.waiting && !this.#stopped) this.#receive()
    else if (result < 0 && result !== ECANCELED) inbox.fail(result)
    this.want()
  }

  #receive(): void {
    const { inbox, fd, maxSize } = this.#target
    messages ??= new Messages()
    const count = messages.receive(fd, maxSize)
    if (count < 0 && count !== EAGAIN && count !== EINTR) inbox.fail(count)
    for (let index = 0; index < count; index++) messages.deliver(index, this.#target)
    inbox.serve()
  }

  stop(): void {
    this.#stopped = true
    const { resources, number } = this.#target
    if (this.#polling) resources.handles.cancel(Handles.userData(number, KIND.POLL))
  }

  release(): void {}
}
