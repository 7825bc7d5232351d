import { ChecksumRows } from '../../kernel/index.js'
import { FRAME, frameSize, MAX_RECORD, mayBeFrame, recordLength } from './format.js'

/**
 * Why a scan ended: `full`, the block has been used up, or holds only the beginning of its next frame; `blank`, zeros
 * stand where the next frame would; `broken`, something else does.
 */
export type ScanEnd = 'full' | 'blank' | 'broken'

/** Finds the intact frames at the beginning of a block of a segment. */
export class FrameScanner {
  /** Where in the block each intact frame begins, and how long its record is. */
  readonly starts: number[] = []
  readonly lengths: number[] = []
  /** Bytes of the block that intact frames fill. */
  consumed = 0
  /** Bytes that a frame which the block cuts off needs; 0 when that cannot be told. */
  needed = 0
  readonly #rows = new ChecksumRows()
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = seed
  }

  /**
   * @param block begins with a frame, at an address that is a multiple of 8
   * @param position of the block's first byte
   */
  scan(block: Uint8Array, position: number): ScanEnd {
    const words = new Uint32Array(block.buffer, block.byteOffset, block.length >>> 2)
    this.#walk(words, block.length, position)
    const frames = this.starts.length
    const intact = this.#rows.check(block)
    if (intact === this.#rows.count) return this.#endOf(words, block.length)
    // A cut-off frame's only row is its header's.
    this.needed = 0
    this.starts.length = Math.min(intact >>> 1, frames)
    this.lengths.length = this.starts.length
    const last = this.starts.length - 1
    this.consumed = last < 0 ? 0 : this.starts[last] + frameSize(this.lengths[last])
    return 'broken'
  }

  /** Goes from frame to frame by their lengths, believing them for now. */
  #walk(words: Uint32Array, length: number, position: number): void {
    this.#rows.clear()
    this.starts.length = 0
    this.lengths.length = 0
    this.needed = 0
    let at = 0
    while (at + FRAME.SIZE <= length && mayBeFrame(words, at >>> 2, position + at)) {
      const record = recordLength(words, at >>> 2)
      if (record > MAX_RECORD) break
      this.#rows.add(at + FRAME.LENGTH, FRAME.SIZE - FRAME.LENGTH, at + FRAME.HEADER_CRC, this.#seed)
      if (at + frameSize(record) > length) {
        this.needed = frameSize(record)
        break
      }
      const covered = FRAME.SIZE - FRAME.HEADER_CRC + record
      this.#rows.add(at + FRAME.HEADER_CRC, covered, at + FRAME.CRC, this.#seed)
      this.starts.push(at)
      this.lengths.push(record)
      at += frameSize(record)
    }
    this.consumed = at
  }

  #endOf(words: Uint32Array, length: number): ScanEnd {
    if (this.needed > 0 || this.consumed + FRAME.SIZE > length) return 'full'
    const next = words.subarray(this.consumed >>> 2, (this.consumed + FRAME.SIZE) >>> 2)
    return next.every(word => word === 0) ? 'blank' : 'broken'
  }
}

/**
 * Looks for a frame, whatever stands before it.
 *
 * A batch is begun only when all before it is on stable storage. So a frame of a batch that was begun behind some
 * damage proves that the damaged bytes were there, once.
 *
 * @param block begins at a multiple of 8 from the segment's beginning
 * @param position of the block's first byte
 * @param begun takes only frames of batches that begin behind this position
 * @returns where the frame begins in the block, or -1
 */
export function findFrame(block: Uint8Array, position: number, seed: number, begun: number): number {
  const words = new Uint32Array(block.buffer, block.byteOffset, block.length >>> 2)
  const rows = new ChecksumRows()
  for (let at = 0; at + FRAME.SIZE <= block.length; at += FRAME.ALIGN) {
    if (!mayBeFrame(words, at >>> 2, position + at)) continue
    if (position + at - words[(at + FRAME.BACK) >>> 2] <= begun) continue
    rows.clear()
    rows.add(at + FRAME.LENGTH, FRAME.SIZE - FRAME.LENGTH, at + FRAME.HEADER_CRC, seed)
    if (rows.check(block) === 1) return at
  }
  return -1
}
