import { constants } from 'node:buffer'
import {
  AbortError,
  checkAbortSignal,
  checkInteger,
  checkObject,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  PAGE_SIZE,
  SluiceError,
} from '../kernel/index.js'
import { Mapping } from './mapping.js'
import { type BufferTable, Registrant, type Registration } from './registrant.js'

/** How an {@link Arena} is made. */
export interface ArenaOptions {
  /** Bytes of a block. Each begins on a page; the rest of its last page stays unused. */
  blockSize: number
  /** How many. */
  blocks: number
  /** What `acquire()` does when every block is out: waits for one, or rejects. `wait` by default. */
  exhausted?: 'wait' | 'reject'
  /** How many may wait at most; 1024 by default. */
  maxWaiting?: number
  /** As of a `Mapping`: `transparent`, or from the reserved pool. */
  hugePages?: 'transparent' | '2MiB' | '1GiB'
  /** Touches every page now, so that no operation meets a page fault. */
  populate?: boolean
}

/** A block of an {@link Arena}: yours from `take()` or `acquire()` until `release()`. */
export class Block {
  /** Its number in the arena, from 0. */
  readonly index: number
  /** The address of its first byte. */
  readonly address: number
  /** Its memory. What the last user left is still there. */
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly #arena: Arena
  readonly #registrant: Registrant

  /** Only an arena makes blocks. */
  constructor(
    arena: Arena,
    registrant: Registrant,
    index: number,
    address: number,
    bytes: Uint8Array<ArrayBuffer>,
  ) {
    this.#arena = arena
    this.#registrant = registrant
    this.index = index
    this.address = address
    this.bytes = bytes
  }

  /** The registered buffer that it lies in, for `prepareReadFixed` and its like; -1 while there is none. */
  get bufferIndex(): number {
    return this.#registrant.indexOf(this.index)
  }

  /** Gives it back: as `arena.release(block)`. */
  release(): void {
    this.#arena.release(this)
  }

  /** As `release()`. */
  [Symbol.dispose](): void {
    this.#arena.release(this)
  }
}

interface Waiter {
  resolve(block: Block): void
  reject(error: Error): void
}

const MAX_BLOCKS = 2 ** 20

function checkOptions(options: ArenaOptions): Required<Omit<ArenaOptions, 'hugePages'>> & { stride: number } {
  checkObject(options)
  const { blockSize, blocks, exhausted = 'wait', maxWaiting = 1024, populate = false } = options
  checkInteger(blockSize, 'options.blockSize', 1, constants.MAX_LENGTH)
  checkInteger(blocks, 'options.blocks', 1, MAX_BLOCKS)
  checkInteger(maxWaiting, 'options.maxWaiting', 0)
  if (exhausted !== 'wait' && exhausted !== 'reject') {
    throw invalidArgValue('options.exhausted', exhausted, 'is not wait or reject')
  }
  const stride = Math.ceil(blockSize / PAGE_SIZE) * PAGE_SIZE
  const most = Math.floor(constants.MAX_LENGTH / stride)
  if (blocks > most) throw outOfRange('options.blocks', `at most ${most} of this size`, blocks)
  return { blockSize, blocks, exhausted, maxWaiting, populate, stride }
}

/**
 * One slab of page-aligned memory, cut into blocks of one size that are handed out and taken back.
 *
 * Its bound is its size: when every block is out, `take()` gives nothing, and `acquire()` waits its turn or rejects.
 * The slab can be registered with a ring, which pins its pages once instead of for every operation. It stays mapped
 * while a block is out or an operation holds it.
 *
 * ```ts
 * const arena = new Arena({ blockSize: 65536, blocks: 64 })
 * using block = await arena.acquire()
 * const { bytesRead } = await file.read(block.bytes)
 * ```
 */
export class Arena {
  /** Bytes of a block. */
  readonly blockSize: number
  /** How many blocks there are. */
  readonly blocks: number
  readonly exhausted: 'wait' | 'reject'
  readonly maxWaiting: number
  readonly #slab: Mapping
  readonly #all: readonly Block[]
  /** A stack: the block given back last is the one whose lines are still in the cache. */
  readonly #free: Block[]
  /** Per block, 1 while it is out. */
  readonly #out: Uint8Array
  readonly #waiting = new Set<Waiter>()
  readonly #registrant: Registrant
  #closing: PromiseWithResolvers | undefined

  /**
   * Maps the slab.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; the system error of mmap(2):
   *   `ENOMEM`, also where fewer huge pages are reserved than asked for
   */
  constructor(options: ArenaOptions) {
    const { blockSize, blocks, exhausted, maxWaiting, populate, stride } = checkOptions(options)
    this.blockSize = blockSize
    this.blocks = blocks
    this.exhausted = exhausted
    this.maxWaiting = maxWaiting
    const huge = options.hugePages === undefined ? {} : { hugePages: options.hugePages }
    this.#slab = new Mapping({ length: stride * blocks, populate, ...huge })
    // A child that shares the pages while the kernel writes to them would split them from ours.
    this.#slab.advise('dontfork')
    const registrant = new Registrant(this.#slab.bytes, stride)
    const { buffer } = this.#slab.bytes
    this.#all = Array.from({ length: blocks }, (_, index) => {
      const at = index * stride
      return new Block(
        this,
        registrant,
        index,
        this.#slab.address + at,
        new Uint8Array(buffer, at, blockSize),
      )
    })
    this.#free = this.#all.toReversed()
    this.#out = new Uint8Array(blocks)
    this.#registrant = registrant
  }

  /** Blocks that can be taken now. */
  get available(): number {
    return this.closed ? 0 : this.#free.length
  }

  /** Blocks that are out. */
  get inUse(): number {
    return this.blocks - this.#free.length
  }

  /** Callers of `acquire()` that wait for a block. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Whether it hands out no more blocks. */
  get closed(): boolean {
    return this.#closing !== undefined || this.#slab.closed
  }

  /** What came of `register()`, if it has been called. */
  get registration(): Registration | undefined {
    return this.#registrant.registration
  }

  /** Takes a block, undefined when every one is out. @throws `ERR_SLUICE_CLOSED` */
  take(): Block | undefined {
    if (this.closed) throw closedError()
    const block = this.#free.pop()
    if (block !== undefined) this.#out[block.index] = 1
    return block
  }

  /**
   * Takes a block, or waits for one: first come, first served.
   *
   * @returns the block; rejects with `ERR_SLUICE_QUEUE_FULL` when it must not wait or too many do already, with
   *   `AbortError` after an abort, with `ERR_SLUICE_CLOSED`
   */
  async acquire(options: { signal?: AbortSignal | undefined } = {}): Promise<Block> {
    checkObject(options)
    const { signal } = options
    checkAbortSignal(signal, 'options.signal')
    if (signal?.aborted) throw new AbortError(signal)
    const block = this.take()
    if (block !== undefined) return block
    const bound = this.exhausted === 'reject' ? 0 : this.maxWaiting
    if (this.#waiting.size >= bound) {
      const text = `All ${this.blocks} blocks are out and ${this.#waiting.size} callers wait`
      throw new SluiceError('ERR_SLUICE_QUEUE_FULL', text)
    }
    return this.#wait(signal)
  }

  #wait(signal: AbortSignal | undefined): Promise<Block> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(waiter)
        reject(new AbortError(signal as AbortSignal))
      }
      const waiter: Waiter = {
        resolve: block => {
          signal?.removeEventListener('abort', abort)
          resolve(block)
        },
        reject: error => {
          signal?.removeEventListener('abort', abort)
          reject(error)
        },
      }
      this.#waiting.add(waiter)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /**
   * Takes a block back; whoever waits longest gets it. No operation may hold it any more.
   *
   * @throws `ERR_INVALID_ARG_VALUE` for a block of another arena, or one that is not out
   */
  release(block: Block): void {
    if (!(block instanceof Block)) throw invalidArgType('block', 'an instance of Block', block)
    if (this.#all[block.index] !== block)
      throw invalidArgValue('block', block.index, 'belongs to another arena')
    if (this.#out[block.index] === 0) throw invalidArgValue('block', block.index, 'has been released already')
    const [waiter] = this.#waiting
    if (waiter !== undefined) {
      this.#waiting.delete(waiter)
      waiter.resolve(block)
      return
    }
    this.#out[block.index] = 0
    this.#free.push(block)
    if (this.#closing !== undefined && this.inUse === 0) this.#finish(this.#closing)
  }

  /**
   * Registers the slab with a ring as fixed buffers (the kernel takes 1 GiB at most in one); each block's
   * `bufferIndex` says in which it lies. One ring at a time.
   *
   * Registered memory is charged to RLIMIT_MEMLOCK without CAP_IPC_LOCK. Where that or the ring's table has no room,
   * the answer says so and the blocks work unregistered.
   *
   * @throws `ERR_SLUICE_CLOSED`; `ERR_INVALID_ARG_VALUE` while it is registered; other system errors of
   *   io_uring_register(2)
   */
  register(ring: BufferTable): Registration {
    if (this.closed) throw closedError()
    return this.#registrant.register(ring)
  }

  /** Takes the slab out of the ring's table. No operation on it may be in flight. */
  unregister(): void {
    this.#registrant.unregister()
  }

  /**
   * Hands out no more blocks, waits until every one is back, then unmaps the slab. Callers that wait for a block are
   * rejected with `ERR_SLUICE_CLOSED`. Idempotent.
   */
  async close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = withResolvers()
      this.#turnAway()
      if (this.inUse === 0) this.#finish(this.#closing)
    }
    return this.#closing.promise
  }

  #turnAway(): void {
    for (const waiter of this.#waiting) waiter.reject(closedError())
    this.#waiting.clear()
  }

  #end(): void {
    this.unregister()
    this.#slab.unmap()
  }

  #finish(closing: PromiseWithResolvers): void {
    try {
      this.#end()
      closing.resolve()
    } catch (error) {
      closing.reject(error)
    }
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Ends it now. @throws `ERR_SLUICE_IN_FLIGHT` while blocks are out */
  [Symbol.dispose](): void {
    if (this.#slab.closed) return
    if (this.inUse > 0) throw new SluiceError('ERR_SLUICE_IN_FLIGHT', `${this.inUse} blocks are still out`)
    this.#turnAway()
    this.#end()
  }
}

interface PromiseWithResolvers {
  promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

/** Promise.withResolvers() is newer than Node 20. */
function withResolvers(): PromiseWithResolvers {
  const parts: Partial<PromiseWithResolvers> = {}
  parts.promise = new Promise<void>((resolve, reject) => Object.assign(parts, { resolve, reject }))
  return parts as PromiseWithResolvers
}

function closedError(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'The arena is closed')
}
