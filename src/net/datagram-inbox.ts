import { receivedSegmentSize, SluiceError, systemError } from '../kernel/index.js'
import { Datagram, Heap } from './datagram.js'

interface Waiter {
  most: number
  resolve(batch: Datagram[]): void
  reject(error: Error): void
}

/** Datagrams that came and were not received yet, and whoever waits for one. */
export class DatagramInbox {
  /** Datagrams received so far. */
  count = 0
  /** Bytes queued. */
  queued = 0
  readonly #heap = new Heap()
  readonly #demand: () => void
  #queue: Datagram[] = []
  #waiter: Waiter | undefined
  #error: Error | undefined
  #closed: Error | undefined

  /** @param demand somebody waits, or there is room again */
  constructor(demand: () => void) {
    this.#demand = demand
  }

  /** Whether somebody waits. */
  get waiting(): boolean {
    return this.#waiter !== undefined
  }

  /** @returns as many as there are, at least one and at most `most` */
  receive(most: number): Promise<Datagram[]> {
    if (this.#waiter !== undefined) {
      return Promise.reject(new SluiceError('ERR_SLUICE_BUSY', 'Another call waits for datagrams'))
    }
    if (this.#queue.length > 0) return Promise.resolve(this.#take(most))
    const error = this.#error ?? this.#closed
    this.#error = undefined
    if (error !== undefined) return Promise.reject(error)
    return new Promise((resolve, reject) => {
      this.#waiter = { most, resolve, reject }
      this.#demand()
    })
  }

  /** Takes back what was given last and is not wanted: it comes first again. */
  giveBack(rest: readonly Datagram[]): void {
    if (rest.length === 0) return
    this.#queue = [...rest, ...this.#queue]
    for (const { bytes } of rest) this.queued += bytes.length
    this.serve()
  }

  #take(most: number): Datagram[] {
    const batch = this.#queue.length <= most ? this.#queue : this.#queue.slice(0, most)
    this.#queue = batch === this.#queue ? [] : this.#queue.slice(most)
    for (const { bytes } of batch) this.queued -= bytes.length
    this.#demand()
    return batch
  }

  /**
   * Takes a message that the kernel has filled in: one datagram, or several of one size. Everything is copied.
   *
   * @param control as it came, to see whether it is several
   */
  take(payload: Uint8Array, name: Uint8Array, control: Uint8Array, truncated: boolean): void {
    const from = this.#heap.keep(name)
    const size = control.length === 0 ? 0 : receivedSegmentSize(control)
    const whole = this.#heap.keep(payload)
    if (size === 0 || size >= whole.length) {
      this.#add(new Datagram(whole, from, truncated))
      return
    }
    for (let at = 0; at < whole.length; at += size) {
      const last = at + size >= whole.length
      this.#add(new Datagram(whole.subarray(at, at + size), from, truncated && last))
    }
  }

  #add(datagram: Datagram): void {
    this.count++
    this.queued += datagram.bytes.length
    this.#queue.push(datagram)
  }

  /** Hands what was taken to whoever waits. */
  serve(): void {
    const waiter = this.#waiter
    if (waiter === undefined || this.#queue.length === 0) return
    this.#waiter = undefined
    waiter.resolve(this.#take(waiter.most))
  }

  /** Ends the wait of whoever waits, which rejects. */
  abort(error: Error): void {
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.reject(error)
  }

  /** Tells an error of the socket, such as that the peer refused a datagram, to the next who receives. */
  fail(errno: number): void {
    const error = systemError(errno, 'recvmsg')
    const waiter = this.#waiter
    this.#waiter = undefined
    if (waiter === undefined) this.#error = error
    else waiter.reject(error)
  }

  /** Ends it. What came before can still be received. */
  close(error: Error): void {
    this.#closed = error
    this.abort(error)
  }
}
