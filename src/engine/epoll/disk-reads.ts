import { errnoOf, IOCB_CMD, IORING_OP, KernelAio, RWF, SQE_WORD } from '../../kernel/index.js'
import type { Pending, PendingTable } from './pending.js'
import { PendingList } from './pending-list.js'
import type { Readiness } from './readiness.js'

/** Reads that the kernel has at once; the rest wait. As deep as a block device's own queue is. */
const IN_FLIGHT = 256
const EAGAIN = -errnoOf('EAGAIN')
const { FD, OFF, ADDR, LEN, OP_FLAGS } = SQE_WORD

/**
 * Reads past the page cache: the kernel carries them out without a thread of ours, by kernel AIO. They are told not to
 * wait for anything but the device; one that would have to, for a lock or for what is to be written first, is refused,
 * and is for a thread.
 */
export class DiskReads {
  /** System calls made. */
  calls = 0
  /** What waits to be handed over. */
  readonly queue = new PendingList()
  readonly #table: PendingTable
  readonly #readiness: Readiness
  /** null where the kernel or a sandbox does not offer it. */
  #aio: KernelAio | undefined | null
  #woken = false

  constructor(table: PendingTable, readiness: Readiness) {
    this.#table = table
    this.#readiness = readiness
  }

  /** Whether a read of a file opened with `O_DIRECT` can go this way: not one at the file's own position. */
  takes({ words }: Pending): boolean {
    return this.#aio !== null && (words[OFF] !== -1 || words[OFF + 1] !== -1)
  }

  /** Hands over as much as there is room for. @param refused is given what is for a thread */
  submit(refused: (pending: Pending) => void): void {
    if (this.queue.first === undefined) return
    const aio = this.#open()
    while (aio?.full !== true) {
      const pending = this.queue.shift()
      if (pending === undefined) break
      if (aio === null) refused(pending)
      else {
        pending.state = 'running'
        push(aio, pending)
      }
    }
    if (aio !== null) this.calls += aio.submit(mark => refused(this.#table.at(mark)))
  }

  #open(): KernelAio | null {
    if (this.#aio !== undefined) return this.#aio
    try {
      this.#aio = new KernelAio(IN_FLIGHT)
    } catch (error) {
      // Refused, or too much of it is in use on this machine: threads do as well. What is no system error is ours.
      if ((error as NodeJS.ErrnoException).errno === undefined) throw error
      this.#aio = null
      return null
    }
    this.#readiness.watch(this.#aio.eventFd, () => {
      this.#woken = true
    })
    return this.#aio
  }

  /** Gives what has been read. @param refused is given what is for a thread after all */
  reap(done: (pending: Pending, result: number) => void, refused: (pending: Pending) => void): void {
    if (!this.#woken) return
    this.#woken = false
    this.calls++
    this.#aio?.reap((mark, result) => {
      const pending = this.#table.at(mark)
      const mayWait = (pending.words[OP_FLAGS] & RWF.NOWAIT) === 0
      if (result === EAGAIN && mayWait) refused(pending)
      else done(pending, result)
    })
  }

  /** Ends it; nothing may be in flight. */
  close(): void {
    this.#aio?.close()
  }
}

function push(aio: KernelAio, { words, index }: Pending): void {
  const command = (words[0] & 0xff) === IORING_OP.READV ? IOCB_CMD.PREADV : IOCB_CMD.PREAD
  const flags = words[OP_FLAGS] | RWF.NOWAIT
  aio.push(
    command,
    index,
    words[FD],
    words[ADDR],
    words[ADDR + 1],
    words[LEN],
    words[OFF],
    words[OFF + 1],
    flags,
  )
}
