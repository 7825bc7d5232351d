import { markAsUntransferable } from 'node:worker_threads'
import { addressOf, checkInteger, checkObject, IORING_CQE_F } from '../kernel/index.js'
import { BufferGroup, type BufferHost } from './buffer-group.js'

const { BUF_MORE } = IORING_CQE_F
const NOTHING = Buffer.alloc(0)

/** How a {@link BlockRing} is made. */
export interface BlockRingOptions {
  /** Its name in an entry, 0 to 65535, unique in the ring. */
  group: number
  /** Blocks that wait for data at most, a power of two up to 32768. */
  entries: number
  /** How many do at first; all by default. See {@link BlockRing.grow}. */
  blocks?: number
  /** Bytes of a block. */
  blockSize: number
}

/**
 * Buffers that belong to whoever receives into them: nothing is copied and nothing is given back.
 *
 * The kernel fills a block piece by piece, as completions come. Each piece is handed out as a view, which stays valid
 * as long as anybody holds it; a block that is used up is replaced by a fresh one and collected when its last view is
 * gone. So a view of a few bytes keeps its whole block. Kernel 6.12.
 *
 * Blocks cannot be transferred to another thread, since the kernel may be writing to the rest of one.
 */
export class BlockRing extends BufferGroup {
  readonly blockSize: number
  /** The block that `pass()` went past bytes of. */
  block: Buffer = NOTHING
  /** Where in it they begin. */
  start = 0
  readonly #blocks: Buffer[] = []
  /** Where the rest of each block begins. */
  readonly #used: Uint32Array

  /** @throws the system error of io_uring_register(2): `EINVAL` where buffers cannot be used piece by piece */
  constructor(host: BufferHost, options: BlockRingOptions, closed: () => void) {
    checkObject(options)
    const { group, entries, blockSize, blocks } = options
    checkInteger(blockSize, 'options.blockSize', 1, 2 ** 30)
    if (blocks !== undefined) checkInteger(blocks, 'options.blocks', 1, entries)
    super(host, group, entries, true, closed)
    this.blockSize = blockSize
    host.kept.add(this.#blocks)
    this.#used = new Uint32Array(this.entries)
    try {
      for (let id = 0; id < (blocks ?? this.entries); id++) this.#replace(id)
    } catch (error) {
      this.close()
      throw error
    }
    this.publish()
  }

  /** One more block waits for data from now on, unless there are as many as `entries`: for when they ran out. */
  grow(): void {
    if (!this.isOpen || this.#blocks.length >= this.entries) return
    this.#replace(this.#blocks.length)
    this.publish()
  }

  #replace(id: number): void {
    // Not zeroed: a view shows only what the kernel has written.
    const block = Buffer.allocUnsafeSlow(this.blockSize)
    markAsUntransferable(block.buffer)
    this.#blocks[id] = block
    this.#used[id] = 0
    this.put(id, addressOf(block), this.blockSize)
  }

  /**
   * The bytes that a completion brought, yours for ever.
   *
   * @param flags of the completion, with `IORING_CQE_F.BUFFER`
   * @param length its result
   */
  take(flags: number, length: number): Uint8Array<ArrayBuffer> {
    this.pass(flags, length)
    return new Uint8Array(this.block.buffer as ArrayBuffer, this.start, length)
  }

  /**
   * As `take()`, without making a view: the bytes lie in `block` from `start` on, both of which the next call changes.
   */
  pass(flags: number, length: number): void {
    const id = BufferGroup.id(flags)
    const start = this.#used[id]
    this.block = this.#blocks[id]
    this.start = start
    if ((flags & BUF_MORE) !== 0) {
      this.#used[id] = start + length
    } else if (this.isOpen) {
      this.offered--
      this.#replace(id)
      this.publish()
    }
  }

  /** Blocks live on in their views. */
  protected override release(): void {
    this.host.kept.delete(this.#blocks)
    this.#blocks.length = 0
    this.block = NOTHING
  }
}
