import {
  addressOf,
  IO_URING_GETEVENTS_ARG,
  IO_URING_REG_WAIT,
  IORING_ENTER,
  IORING_REG_WAIT,
  setTimespec,
  TIMESPEC,
} from '../kernel/index.js'

/** Words of the control block, as native/ring.c lays it out. */
export const CONTROL = {
  TO_SUBMIT: 0,
  MIN_COMPLETE: 1,
  FLAGS: 2,
  RESULT: 3,
  ENTER_FD: 4,
  FD: 5,
  ENDED: 6,
  KIND: 7,
} as const

/** Bits of the control word `KIND`. */
export const KIND = { POLLED: 1, MESSAGES: 2 } as const

const ARGUMENT = 32
const ENTERS = 56
const TIME = 64
const BYTES = 80
const HIGH = 2 ** 32

/**
 * The memory through which TypeScript and native/ring.c talk: what the next `enter` shall do, what came of the
 * last one, and how much is in flight should the thread end.
 */
export class Control {
  readonly words: Int32Array
  /** Flags of an `enter` whose wait is limited. */
  limited: number = IORING_ENTER.EXT_ARG
  readonly #view: DataView
  #time: Uint32Array
  /** Where the least wait is told. */
  #minWait: Uint32Array

  constructor(fd: number) {
    const buffer = new ArrayBuffer(BYTES)
    this.words = new Int32Array(buffer)
    this.#view = new DataView(buffer)
    this.#time = new Uint32Array(buffer, TIME, TIMESPEC.SIZE / 4)
    this.#minWait = new Uint32Array(buffer, ARGUMENT + IO_URING_GETEVENTS_ARG.MIN_WAIT_USEC, 1)
    const address = addressOf(this.#time)
    this.#view.setUint32(ARGUMENT + IO_URING_GETEVENTS_ARG.TS, address % HIGH, true)
    this.#view.setUint32(ARGUMENT + IO_URING_GETEVENTS_ARG.TS + 4, address / HIGH, true)
    this.words[CONTROL.FD] = fd
    this.words[CONTROL.ENTER_FD] = fd
  }

  /** How often io_uring_enter(2) has been called. */
  get enters(): number {
    return Number(this.#view.getBigUint64(ENTERS, true))
  }

  /** Has limits told through memory that the kernel has registered for them. */
  useRegistered({ buffer, byteOffset }: Uint8Array<ArrayBuffer>): void {
    this.#time = new Uint32Array(buffer, byteOffset + IO_URING_REG_WAIT.TS, TIMESPEC.SIZE / 4)
    this.#minWait = new Uint32Array(buffer, byteOffset + IO_URING_REG_WAIT.MIN_WAIT_USEC, 1)
    new Uint32Array(buffer, byteOffset + IO_URING_REG_WAIT.FLAGS, 1)[0] = IORING_REG_WAIT.TS
    this.limited = IORING_ENTER.EXT_ARG | IORING_ENTER.EXT_ARG_REG
  }

  /**
   * Limits how long the next `enter` with the flags `limited` waits.
   *
   * @param timeoutMs at most so long in all
   * @param minWaitUs how long to wait for the whole batch before one completion suffices (kernel 6.12)
   */
  setTimeout(timeoutMs: number, minWaitUs: number): void {
    this.#minWait[0] = minWaitUs
    setTimespec(this.#time, timeoutMs)
  }
}
