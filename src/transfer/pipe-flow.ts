import { errnoOf, passOn, SluiceError } from '../kernel/index.js'
import type { Job } from './job.js'
import { failed, isExhaustion, Unsuitable } from './mechanism.js'
import type { Pipe } from './pipe.js'
import { pipePool } from './pipe-pool.js'
import { type Side, spliceElsewhere, spliceNow } from './splice-step.js'
import { allowance, spend } from './turns.js'

const EAGAIN = -errnoOf('EAGAIN')

/**
 * Bytes of a job on their way through a pipe of the pool.
 *
 * It has a pipe only while bytes are in it: a source that is silent holds none.
 */
export class PipeFlow {
  /** Bytes in the pipe. */
  pending = 0
  readonly #job: Job
  #pipe: Pipe | undefined

  constructor(job: Job) {
    this.#job = job
  }

  /** Bytes that the pipe may take now. */
  get room(): number {
    const capacity = this.#pipe?.capacity ?? pipePool().capacity
    return Math.min(capacity, this.#job.remaining) - this.pending
  }

  /**
   * Moves bytes from the source into the pipe.
   *
   * @returns bytes; 0 at the source's end; -1 where the source is not ready, or the pipe is full
   * @throws `Unsuitable`, or the system error
   */
  async fill(): Promise<number> {
    const job = this.#job
    const { source, sink } = job
    const to: Side = { fd: (await this.#obtain()).writeFd, offset: -1 }
    const length = this.room
    const from: Side = {
      fd: source.fd,
      offset: source.seekable ? job.position + this.pending : -1,
      endpoint: source,
    }
    return this.#filled(await this.#move(source.seekable, sink.seekable, from, to, length))
  }

  /**
   * From one socket to another by way of the pipe that `prepareNow()` has got, here and now: as long as the source gives and
   * the sink takes all of it, or this turn of the event loop goes.
   *
   * @param most bytes; more than is allowed in this turn only as long as the event loop has nothing else to do
   * @returns bytes that the sink has taken
   * @throws `Unsuitable`, or the system error
   */
  pass(most: number): number {
    const job = this.#job
    const { readFd, writeFd, capacity } = this.#pipe as Pipe
    job.enterBurst()
    const passed = passOn({
      source: job.source.fd,
      sink: job.sink.fd,
      inlet: writeFd,
      outlet: readFd,
      room: capacity,
      pending: this.pending,
      remaining: job.ended ? 0 : job.remaining - this.pending,
      // They are moved twice.
      sure: allowance() / 2,
      most: most / 2,
    })
    job.leaveBurst()
    spend(passed.filled + passed.moved)
    this.pending = passed.pending
    if (passed.moved > 0) job.moved(passed.moved)
    if (passed.fillResult === 0) job.ended = true
    if (passed.fillResult < 0 && passed.fillResult !== EAGAIN) failed(passed.fillResult, 'splice')
    if (passed.drainResult < 0 && passed.drainResult !== EAGAIN) failed(passed.drainResult, 'splice')
    return passed.moved
  }

  /**
   * Has another thread move bytes of a file into the pipe, which keeps them in memory: this one never waits for the device.
   *
   * @param ahead bytes behind the job's position that are on their way already
   * @returns as `fill()`
   */
  async fetch(ahead: number): Promise<number> {
    const job = this.#job
    const offset = job.position + ahead
    const length = Math.min(this.room, job.remaining - ahead)
    const to: Side = { fd: (await this.#obtain()).writeFd, offset: -1 }
    return this.#filled(await spliceElsewhere({ fd: job.source.fd, offset }, to, length))
  }

  #drained(result: number): number {
    if (result > 0) {
      this.pending -= result
      this.#job.moved(result)
    }
    return result
  }

  #filled(result: number): number {
    if (result > 0) this.pending += result
    if (result === 0) this.#job.ended = true
    return result
  }

  /**
   * Puts bytes into the pipe by a call of the caller's.
   *
   * @param put is given the pipe's end and how many bytes it has room for; returns as `fill()`
   */
  async fillBy(put: (fd: number, room: number) => number): Promise<number> {
    const pipe = await this.#obtain()
    return this.#filled(put(pipe.writeFd, this.room))
  }

  /** Waits until the sink has taken so many bytes, by default all, and gives the pipe back when it is empty. */
  async empty(bytes = this.pending): Promise<void> {
    let left = bytes
    while (left > 0) {
      const drained = await this.drain(left)
      if (drained > 0) left -= drained
      else await this.#job.writable()
    }
    if (this.pending === 0) this.release()
  }

  /** The end that bytes come out of. Only while bytes are in it. */
  get outlet(): number {
    return (this.#pipe as Pipe).readFd
  }

  /** Bytes that the pipe holds at most. Only while it has one. */
  get capacity(): number {
    return (this.#pipe as Pipe).capacity
  }

  /** Sees to it that there is a pipe. @throws `Unsuitable` where there is none and the job would rather do without */
  async prepare(): Promise<void> {
    await this.#obtain()
  }

  async #move(file: boolean, aside: boolean, from: Side, to: Side, length: number): Promise<number> {
    const job = this.#job
    if (!file) return spliceNow(from, to, Math.min(length, await job.grant(length)))
    // What ends in a file may wait for a device anyway; then this thread has no part in it at all.
    const warm = aside
      ? 0
      : job.residency.warm(from.offset, await job.grant(length), job.remaining - this.pending)
    return warm > 0 ? spliceNow(from, to, warm) : spliceElsewhere(from, to, length)
  }

  /**
   * Moves bytes from the pipe to the sink, as far as it takes them.
   *
   * @param most bytes; by default all that are in the pipe
   * @returns bytes; -1 where the sink is not ready
   * @throws `Unsuitable`, or the system error
   */
  async drain(most = this.pending): Promise<number> {
    const job = this.#job
    const { sink } = job
    const from: Side = { fd: (this.#pipe as Pipe).readFd, offset: -1 }
    const to: Side = { fd: sink.fd, offset: job.target, endpoint: sink }
    const length = Math.min(most, this.pending)
    if (sink.seekable) return this.#drained(await spliceElsewhere(from, to, length))
    await job.turn()
    // All of it, which is a pipe full at most: the kernel would end each piece with a segment that is not full.
    return this.#drained(spliceNow(from, to, length))
  }

  /** @returns whether there is a pipe without waiting for one; `prepare()` waits, or says why there is none */
  prepareNow(): boolean {
    if (this.#pipe !== undefined) return true
    try {
      this.#pipe = pipePool().take()
    } catch (error) {
      if (!isExhaustion(error)) throw error
    }
    return this.#pipe !== undefined
  }

  async #obtain(): Promise<Pipe> {
    if (this.#pipe !== undefined) return this.#pipe
    const pool = pipePool()
    if (this.#job.forced) {
      // Kept before anything else, so that release() finds it.
      this.#pipe = await pool.acquire(this.#job.signal)
      this.#job.check()
      return this.#pipe
    }
    try {
      this.#pipe = pool.take()
    } catch (error) {
      if (!isExhaustion(error)) throw error
      throw new Unsuitable(error as Error)
    }
    if (this.#pipe !== undefined) return this.#pipe
    throw new Unsuitable(new SluiceError('ERR_SLUICE_QUEUE_FULL', `All ${pool.pipes} pipes are in use`))
  }

  /**
   * Gives the pipe back. Bytes in it that the source cannot give again become the job's undelivered ones; those of a
   * file stay where they are, as the job does not count them.
   */
  release(): void {
    const pipe = this.#pipe
    if (pipe === undefined) return
    this.#pipe = undefined
    if (this.pending > 0 && !this.#job.source.seekable) this.#job.undelivered.push(pipe.read(this.pending))
    this.pending = 0
    pipePool().release(pipe)
  }
}
