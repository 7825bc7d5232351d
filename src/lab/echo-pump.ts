import { addressOf, MSG, syscall, systemError } from '../kernel/index.js'
import { prepareRecvAt, prepareSendAt, type Ring, type RingMode } from '../ring/index.js'
import { blockingSocket } from './blocking-socket.js'
import type { Lap } from './lap.js'
import type { Setting, Workload } from './mechanism.js'
import { messageOf } from './peer-message.js'
import { makeRing } from './ring-pump.js'
import { whole } from './short-transfer.js'

/** Looks at the completion queue before the thread sleeps: some 200 microseconds, more than an echo takes. */
const SPINS = 20_000
/** Entries of an echo, and room for as many again. */
const ENTRIES_EACH = 4
/** Of the echoes in flight, how many must have come before the thread is woken: a part of 4. */
const WAKE_AT = 4

/** Echoes on a ring: each connection has one on its way, until the lap is over. */
export class EchoPump implements Workload {
  readonly #ring: Ring
  readonly #setting: Setting
  readonly #fds: number[] = []
  readonly #message: Uint8Array
  /** Kept alive here while the kernel writes to it. */
  readonly #answers: Uint8Array[]
  readonly #stamps: Float64Array
  #waiting = 0

  /** @throws `ERR_SLUICE_UNSUPPORTED` where io_uring is refused; the system error of connect(2) */
  constructor(setting: Setting, port: number, mode: RingMode) {
    const { depth, size } = setting
    this.#setting = setting
    this.#ring = makeRing(ENTRIES_EACH * depth, mode)
    this.#message = messageOf(size)
    this.#answers = Array.from({ length: depth }, () => messageOf(size))
    this.#stamps = new Float64Array(depth)
    try {
      for (let lane = 0; lane < depth; lane++) this.#fds.push(blockingSocket(port))
    } catch (error) {
      this.close()
      throw error
    }
  }

  run(lap: Lap): void {
    const ring = this.#ring
    const { depth, size } = this.#setting
    // A lane's receive has an even number, its send the odd one behind it.
    const completed = (userData: number, result: number) => {
      if (result < 0) throw systemError(result, userData % 2 === 0 ? 'recv' : 'send')
      if (userData % 2 === 1) return
      const lane = userData / 2
      this.#waiting--
      lap.end(this.#stamps[lane], whole(result, size))
      this.#begin(lap, lane)
    }
    for (let lane = 0; lane < depth; lane++) this.#begin(lap, lane)
    while (this.#waiting > 0) {
      if (ring.mode !== 'sqpoll' || !this.#spin()) ring.submit(Math.ceil(this.#waiting / WAKE_AT))
      ring.reap(completed)
    }
    while (ring.inFlight > 0) {
      ring.submit(1)
      ring.reap(completed)
    }
  }

  #begin(lap: Lap, lane: number): void {
    if (lap.next() < 0) return
    const { submissions } = this.#ring
    const { size } = this.#setting
    const fd = this.#fds[lane]
    this.#stamps[lane] = lap.begin()
    this.#waiting++
    prepareSendAt(submissions, fd, addressOf(this.#message), size, MSG.NOSIGNAL | MSG.WAITALL, lane * 2 + 1)
    prepareRecvAt(submissions, fd, addressOf(this.#answers[lane]), size, MSG.WAITALL, lane * 2)
  }

  /** Lets the kernel's thread see what there is, and watches for completions. @returns whether any came soon */
  #spin(): boolean {
    this.#ring.submit()
    for (let turn = 0; turn < SPINS; turn++) if (this.#ring.completions.ready > 0) return true
    return false
  }

  enters(): number {
    return this.#ring.enters
  }

  close(): void {
    this.#ring.close()
    for (const fd of this.#fds) syscall('close', fd)
  }
}
