import { Handles } from '../engine/index.js'
import { addressOf, errnoOf, MSG, POLL, syscall } from '../kernel/index.js'
import { preparePollAdd } from '../ring/index.js'
import { KIND } from './kind.js'
import { Receiver } from './receiver.js'
import { BLOCK_BYTES } from './resources.js'

const EAGAIN = -errnoOf('EAGAIN')
const EINTR = -errnoOf('EINTR')
const ECANCELED = -errnoOf('ECANCELED')
/** Room in a block that is still worth receiving into. */
const WORTHWHILE_BYTES = 4096

/** The block that every connection of this thread receives into: pieces of it belong to whoever got them. */
let block = Buffer.alloc(0)
let blockAddress = 0
let used = 0

/**
 * Receives where the kernel does not pick buffers: waits until there is something, then takes it with one call into
 * a shared block. So a connection that waits holds no memory, and nothing is received that nobody waits for.
 */
export class ReadyReceiver extends Receiver {
  #polling = false

  protected get receiving(): boolean {
    return this.#polling
  }

  protected want(): void {
    if (this.#polling || this.direct || this.stopped || this.end !== undefined || !this.waiting) return
    if (this.into !== undefined) this.receiveDirectly()
    else this.#poll()
  }

  #poll(): void {
    this.#polling = true
    const { handles } = this.resources
    const data = Handles.userData(this.number, KIND.POLL)
    handles.place(() => preparePollAdd(handles.submissions, this.fd, POLL.IN, data))
  }

  protected cancel(): void {
    if (this.#polling) this.resources.handles.cancel(Handles.userData(this.number, KIND.POLL))
  }

  protected received(_kind: number, result: number): void {
    this.#polling = false
    if (result >= 0 && this.waiting && !this.stopped) this.#receiveNow()
    else if (result < 0 && result !== ECANCELED) this.over(result)
    this.want()
  }

  #receiveNow(): void {
    if (block.length - used < WORTHWHILE_BYTES) {
      block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
      blockAddress = addressOf(block)
      used = 0
    }
    const room = Math.min(block.length - used, this.bound)
    const result = syscall('recvfrom', this.fd, blockAddress + used, room, MSG.DONTWAIT)
    if (result > 0) {
      const start = used
      used += result
      this.deliverFrom(block, start, result)
    } else if (result !== EAGAIN && result !== EINTR) {
      this.over(result)
    }
  }
}
