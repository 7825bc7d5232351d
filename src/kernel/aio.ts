import { systemError } from './errors.js'
import { type NativeHandle, native } from './native.js'
import { OwnedDescriptor } from './owned-descriptor.js'
import { addressOf, SYSCALL, syscall } from './syscall.js'

/** Commands of an `iocb`. @see io_submit(2) */
export const IOCB_CMD = { PREAD: 0, PREADV: 7 } as const

/** Words of 32 bits in an `iocb` and in an `io_event`, from <linux/aio_abi.h>. */
const IOCB = { WORDS: 16, DATA: 0, RW_FLAGS: 3, OPCODE: 4, FILDES: 5, BUF: 6, NBYTES: 8, OFFSET: 10 } as const
const IOCB_FLAGS = 14
const IOCB_RESFD = 15
const IO_EVENT = { WORDS: 8, DATA: 0, RES: 4 } as const
const IOCB_FLAG_RESFD = 1
const EFD_FLAGS = 0o2000000 | 0o4000 // EFD_CLOEXEC | EFD_NONBLOCK

/**
 * The kernel's older asynchronous I/O, which sandboxes allow that refuse io_uring. It is asynchronous for files opened
 * with O_DIRECT alone.
 *
 * Nobody but the caller keeps the memory alive that a request points to. Where the thread ends, its end waits for what
 * is in flight.
 *
 * @see io_setup(2)
 */
export class KernelAio {
  /** Readable when something has completed: put it on an event loop, edge triggered. */
  readonly eventFd: number
  /** Requests in flight at most. */
  readonly capacity: number
  /** Requests that the kernel has and that have not been reaped. */
  inFlight = 0
  readonly #context: number
  readonly #handle: NativeHandle
  readonly #event: OwnedDescriptor
  readonly #requests: Int32Array
  readonly #events: Int32Array
  readonly #addresses: BigUint64Array
  #pushed = 0

  /** @throws the system error of eventfd(2) or io_setup(2): `ENOSYS`, `EAGAIN` beyond `fs.aio-max-nr` */
  constructor(capacity: number) {
    this.capacity = capacity
    this.#requests = new Int32Array(new ArrayBuffer(capacity * IOCB.WORDS * 4))
    this.#events = new Int32Array(new ArrayBuffer(capacity * IO_EVENT.WORDS * 4))
    const first = addressOf(this.#requests)
    this.#addresses = new BigUint64Array(new ArrayBuffer(capacity * 8))
    for (let at = 0; at < capacity; at++) this.#addresses[at] = BigInt(first + at * IOCB.WORDS * 4)
    this.#event = new OwnedDescriptor(syscall('eventfd2', 0, EFD_FLAGS), 'eventfd')
    this.eventFd = this.#event.fd
    const context = new BigUint64Array(new ArrayBuffer(8))
    const result = syscall('io_setup', capacity, context)
    this.#context = Number(context[0])
    const handle = result < 0 ? result : native().own(this.#context, SYSCALL.io_destroy, 0)
    if (typeof handle === 'number') {
      if (result >= 0) syscall('io_destroy', this.#context)
      this.#event.close()
      throw systemError(handle, 'io_setup')
    }
    this.#handle = handle
  }

  /** Whether no more can be pushed before some have been submitted and reaped. */
  get full(): boolean {
    return this.inFlight + this.#pushed === this.capacity
  }

  /**
   * Writes a request; there must be room. 64-bit values are given as two words.
   *
   * @param command of {@link IOCB_CMD}
   * @param mark comes back with the result
   * @param flags of `RWF`
   */
  push(
    command: number,
    mark: number,
    fd: number,
    address: number,
    addressHigh: number,
    length: number,
    position: number,
    positionHigh: number,
    flags: number,
  ): void {
    const words = this.#requests
    const at = this.#pushed++ * IOCB.WORDS
    words[at + IOCB.DATA] = mark
    words[at + IOCB.RW_FLAGS] = flags
    words[at + IOCB.OPCODE] = command
    words[at + IOCB.FILDES] = fd
    words[at + IOCB.BUF] = address
    words[at + IOCB.BUF + 1] = addressHigh
    words[at + IOCB.NBYTES] = length
    words[at + IOCB.OFFSET] = position
    words[at + IOCB.OFFSET + 1] = positionHigh
    words[at + IOCB_FLAGS] = IOCB_FLAG_RESFD
    words[at + IOCB_RESFD] = this.eventFd
  }

  /**
   * Hands over what has been pushed.
   *
   * @param refused is given the mark of each that the kernel does not take, and -errno
   * @returns system calls made
   */
  submit(refused: (mark: number, error: number) => void): number {
    const count = this.#pushed
    this.#pushed = 0
    let calls = 0
    for (let from = 0; from < count; calls++) {
      const rest = this.#addresses.subarray(from)
      const taken = syscall('io_submit', this.#context, count - from, rest)
      if (taken > 0) {
        this.inFlight += taken
        from += taken
      } else {
        // What comes behind a request that is not taken is not looked at.
        refused(this.#requests[from * IOCB.WORDS + IOCB.DATA], taken)
        from++
      }
    }
    return calls
  }

  /** Gives every result there is. Never waits. @returns how many there were */
  reap(callback: (mark: number, result: number) => void): number {
    const events = this.#events
    const count = Math.max(0, syscall('io_getevents', this.#context, 0, this.capacity, events, 0))
    this.inFlight -= count
    for (let at = 0; at < count * IO_EVENT.WORDS; at += IO_EVENT.WORDS) {
      callback(events[at + IO_EVENT.DATA], events[at + IO_EVENT.RES])
    }
    return count
  }

  /** Waits for what is in flight, and ends. Idempotent. */
  close(): void {
    native().disown(this.#handle)
    this.#event.close()
  }
}
