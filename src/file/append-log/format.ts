import { crc32c } from '../../kernel/index.js'

/** The beginning of a segment file. See docs/internals/append-log-format.md. */
export const SEGMENT = { MAGIC: 0, VERSION: 8, SEED: 12, BASE: 16, CRC: 60, SIZE: 64 } as const

/**
 * What stands before a record's bytes. The first checksum covers all that follows it, the second only the length and
 * position, so that a reader never believes in a wrong length.
 */
export const FRAME = { CRC: 0, HEADER_CRC: 4, LENGTH: 8, BACK: 12, POSITION: 16, SIZE: 24, ALIGN: 8 } as const

/** Set in every frame's length word: what was never written is zero and can be no frame. */
export const FRAME_MARK = 0x80000000

/** Bytes that a record may have. */
export const MAX_RECORD = 2 ** 30

const MAGIC = Buffer.from('SLUICLOG')
const VERSION = 1
const NAME = /^(\d{16})\.log$/
const HIGH = 2 ** 32

/** Bytes of a whole frame for a record of `length` bytes. */
export function frameSize(length: number): number {
  return Math.ceil((FRAME.SIZE + length) / FRAME.ALIGN) * FRAME.ALIGN
}

/** The name of the segment whose first byte has position `base`. */
export function segmentName(base: number): string {
  return `${String(base).padStart(16, '0')}.log`
}

/** The base of a segment, from its file's name; undefined for another file. */
export function segmentBase(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** What a segment's header says. */
export interface SegmentHeader {
  /** Position of the segment's first byte. */
  base: number
  /** Of every checksum in the log: a frame of another log is none of this one. */
  seed: number
}

/** A segment's header as bytes. */
export function encodeSegmentHeader({ base, seed }: SegmentHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(SEGMENT.SIZE))
  const view = new DataView(bytes.buffer)
  bytes.set(MAGIC, SEGMENT.MAGIC)
  view.setUint32(SEGMENT.VERSION, VERSION, true)
  view.setUint32(SEGMENT.SEED, seed, true)
  view.setBigUint64(SEGMENT.BASE, BigInt(base), true)
  view.setUint32(SEGMENT.CRC, crc32c(bytes.subarray(0, SEGMENT.CRC)), true)
  return bytes
}

/** Reads a segment's header. @returns undefined for bytes that are no intact header of this version */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < SEGMENT.SIZE) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT.SIZE)
  if (MAGIC.compare(bytes, SEGMENT.MAGIC, SEGMENT.MAGIC + MAGIC.length) !== 0) return undefined
  if (view.getUint32(SEGMENT.VERSION, true) !== VERSION) return undefined
  if (view.getUint32(SEGMENT.CRC, true) !== crc32c(bytes.subarray(0, SEGMENT.CRC))) return undefined
  const base = Number(view.getBigUint64(SEGMENT.BASE, true))
  return Number.isSafeInteger(base) ? { base, seed: view.getUint32(SEGMENT.SEED, true) } : undefined
}

/** Writes a frame's header but for its checksums. @param at word index of the frame */
export function putFrameHeader(
  words: Uint32Array,
  at: number,
  length: number,
  back: number,
  position: number,
): void {
  words[at + FRAME.LENGTH / 4] = length | FRAME_MARK
  words[at + FRAME.BACK / 4] = back
  words[at + FRAME.POSITION / 4] = position
  words[at + FRAME.POSITION / 4 + 1] = position / HIGH
}

/** Whether a frame that says that it stands at `position` may begin at word `at`. Its checksums have the last word. */
export function mayBeFrame(words: Uint32Array, at: number, position: number): boolean {
  return (
    words[at + FRAME.LENGTH / 4] >= FRAME_MARK &&
    words[at + FRAME.POSITION / 4] === position % HIGH &&
    words[at + FRAME.POSITION / 4 + 1] === Math.floor(position / HIGH)
  )
}

/** Bytes of the record whose frame begins at word `at`. */
export function recordLength(words: Uint32Array, at: number): number {
  return words[at + FRAME.LENGTH / 4] - FRAME_MARK
}
