import { join } from 'node:path'
import { damage } from './damage.js'
import { decodeSegmentHeader, FRAME, SEGMENT, segmentName } from './format.js'
import { FrameScanner, findFrame, type ScanEnd } from './frame-scanner.js'
import { type LogEngine, LogFile } from './log-file.js'

const BLOCK_BYTES = 262144
const ZEROS = new Uint8Array(BLOCK_BYTES)

/** What stands in a segment behind a position. */
export interface Rest {
  /** Bytes up to the last that is not zero; 0 where all are. */
  written: number
  /** Where the next frame with an intact header begins; -1 where there is none. */
  resumes: number
  /** Whether what stands at the position was on stable storage once: a later batch follows. */
  wasDurable: boolean
}

/** Reads one segment from frame to frame. */
export class SegmentReader {
  readonly file: LogFile
  readonly base: number
  readonly seed: number
  /** Of the next frame. */
  position: number
  readonly #scanner: FrameScanner
  /** Blocks are handed out, so each is new, unless nobody looks into them. */
  readonly #reused: Uint8Array<ArrayBuffer> | undefined
  #block: Uint8Array<ArrayBuffer> = new Uint8Array(0)

  private constructor(file: LogFile, base: number, seed: number, reuse: boolean) {
    this.file = file
    this.base = base
    this.seed = seed
    this.position = base + SEGMENT.SIZE
    this.#scanner = new FrameScanner(seed)
    this.#reused = reuse ? new Uint8Array(new ArrayBuffer(BLOCK_BYTES)) : undefined
  }

  /**
   * Opens a segment.
   *
   * @param flags as of `fs.open()`
   * @param reuse whether one block is used over and over, so that its frames must not be kept
   * @throws the system error of open(2); `ERR_SLUICE_LOG_DAMAGED` where its header is not intact
   */
  static async open(engine: () => LogEngine, directory: string, base: number, flags: string, reuse: boolean) {
    const file = await LogFile.open(engine, join(directory, segmentName(base)), flags)
    try {
      // Only the device can tell what has survived a failed sync.
      if (flags !== 'r') await file.dropCache()
      const bytes = new Uint8Array(new ArrayBuffer(SEGMENT.SIZE))
      await file.read(bytes, 0)
      const header = decodeSegmentHeader(bytes)
      if (header?.base !== base) throw damage(file.path, base, -1)
      return new SegmentReader(file, base, header.seed, reuse)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Intact frames found by `advance()`. */
  get count(): number {
    return this.#scanner.starts.length
  }

  /** The record of the frame found at `index`. */
  record(index: number): Uint8Array<ArrayBuffer> {
    const start = this.#scanner.starts[index] + FRAME.SIZE
    return this.#block.subarray(start, start + this.#scanner.lengths[index])
  }

  /** How far before `position` the frame found at `index` begins. */
  behind(index: number): number {
    return this.#scanner.consumed - this.#scanner.starts[index]
  }

  /**
   * Reads on from `position`, and moves it behind the intact frames found.
   *
   * @param limit reads nothing from this position on
   * @returns `full`: there may be more; `blank`: nothing has been written here; `broken`: what has is no intact frame
   */
  async advance(limit: number): Promise<ScanEnd> {
    const size = Math.min(Math.max(BLOCK_BYTES, this.#scanner.needed), limit - this.position)
    const reused = this.#reused !== undefined && this.#reused.length >= size
    const buffer = reused ? (this.#reused as Uint8Array<ArrayBuffer>) : new Uint8Array(new ArrayBuffer(size))
    const bytes = await this.file.read(buffer.subarray(0, size), this.position - this.base)
    this.#block = buffer.subarray(0, bytes)
    const end = this.#scanner.scan(this.#block, this.position)
    this.position += this.#scanner.consumed
    if (end !== 'full' || bytes === size) return end
    // Here the file ends: no frame will be completed.
    return isZero(this.#block.subarray(this.#scanner.consumed)) ? 'blank' : 'broken'
  }

  /** Goes on reading from another frame. */
  seek(position: number): void {
    this.position = position
    this.#scanner.needed = 0
  }

  /** Looks at everything behind `position`. */
  async inspectRest(): Promise<Rest> {
    const rest: Rest = { written: 0, resumes: -1, wasDurable: false }
    const block = new Uint8Array(new ArrayBuffer(BLOCK_BYTES))
    const start = this.position
    // Blocks overlap by a header, less its alignment, so that none is cut.
    for (let at = start; ; at += BLOCK_BYTES - FRAME.SIZE + FRAME.ALIGN) {
      const bytes = await this.file.read(block, at - this.base)
      const found = block.subarray(0, bytes)
      if (!isZero(found)) {
        rest.written = at - start + found.findLastIndex(byte => byte !== 0) + 1
        if (rest.resumes < 0) rest.resumes = this.#find(found, at, -1, start)
        if (!rest.wasDurable) rest.wasDurable = this.#find(found, at, start, start) >= 0
      }
      if (bytes < BLOCK_BYTES) return rest
    }
  }

  #find(block: Uint8Array, at: number, begun: number, start: number): number {
    // The frame at the start itself is the broken one, though its header may be intact.
    const skip = at === start ? FRAME.ALIGN : 0
    if (block.length < skip + FRAME.SIZE) return -1
    const found = findFrame(block.subarray(skip), at + skip, this.seed, begun)
    return found < 0 ? -1 : at + skip + found
  }
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, ZEROS.subarray(0, bytes.length)) === 0
}
