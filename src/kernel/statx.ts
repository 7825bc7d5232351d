/** Fields that statx(2) is asked for. */
export const STATX = {
  BASIC_STATS: 0x7ff,
  BTIME: 0x800,
  MNT_ID: 0x1000,
  DIOALIGN: 0x2000,
  SUBVOL: 0x8000,
  WRITE_ATOMIC: 0x10000,
  DIO_READ_ALIGN: 0x20000,
} as const

/** Attributes in a statx answer. */
export const STATX_ATTR = {
  COMPRESSED: 0x4,
  IMMUTABLE: 0x10,
  APPEND: 0x20,
  ENCRYPTED: 0x800,
  VERITY: 0x100000,
  WRITE_ATOMIC: 0x400000,
  DAX: 0x200000,
} as const

/** Bytes of struct statx. */
export const STATX_SIZE = 256

/** The times in a statx answer, for `StatxView.seconds()`. */
export const STATX_TIME = { ACCESS: 64, BIRTH: 80, CHANGE: 96, MODIFY: 112 } as const

/** The fields of 64 bits in a statx answer, for `StatxView.exact()`. */
export const STATX_WIDE = { INODE: 32, SIZE: 40, BLOCKS: 48 } as const

const HIGH = 2 ** 32

/** A statx answer, read where it lies. Times are BigInt nanoseconds since 1970. @see statx(2) */
export class StatxView {
  readonly buffer: ArrayBuffer
  readonly #view: DataView
  #base = 0

  /** @param buffer {@link STATX_SIZE} bytes, which the kernel fills, or a multiple of them */
  constructor(buffer = new ArrayBuffer(STATX_SIZE)) {
    this.buffer = buffer
    this.#view = new DataView(buffer)
  }

  /** Looks at the answer that begins at `offset` from now on, where the buffer holds several. */
  moveTo(offset: number): void {
    this.#base = offset
  }

  #u32(at: number): number {
    return this.#view.getUint32(this.#base + at, true)
  }

  #u64(at: number): number {
    return this.#u32(at + 4) * HIGH + this.#u32(at)
  }

  #time(at: number): bigint {
    return this.#view.getBigInt64(this.#base + at, true) * 1_000_000_000n + BigInt(this.#u32(at + 8))
  }

  /** Whole seconds since 1970 of one of {@link STATX_TIME}, rounded down. */
  seconds(time: number): number {
    return this.#view.getInt32(this.#base + time + 4, true) * HIGH + this.#u32(time)
  }

  /** What a time of {@link STATX_TIME} has beyond its whole seconds. */
  nanoseconds(time: number): number {
    return this.#u32(time + 8)
  }

  /** One of {@link STATX_WIDE}, exact where a number would not be. */
  exact(field: number): bigint {
    return this.#view.getBigUint64(this.#base + field, true)
  }

  #device(at: number): number {
    // As glibc's makedev(3) packs them, which is what Node reports.
    const major = this.#u32(at)
    const minor = this.#u32(at + 4)
    return (major & 0xfff) * 256 + (minor & 0xff) + (minor >>> 8) * 2 ** 20 + (major >>> 12) * 2 ** 44
  }

  /** Which of {@link STATX}'s fields were answered. */
  get mask(): number {
    return this.#u32(0)
  }
  get blockSize(): number {
    return this.#u32(4)
  }
  /** Bits of {@link STATX_ATTR}, the low 32. */
  get attributes(): number {
    return this.#u32(8)
  }
  get links(): number {
    return this.#u32(16)
  }
  get uid(): number {
    return this.#u32(20)
  }
  get gid(): number {
    return this.#u32(24)
  }
  get mode(): number {
    return this.#view.getUint16(this.#base + 28, true)
  }
  get inode(): number {
    return this.#u64(32)
  }
  get size(): number {
    return this.#u64(40)
  }
  /** Blocks of 512 bytes. */
  get blocks(): number {
    return this.#u64(48)
  }
  /** Which attributes this file system knows. */
  get attributesMask(): number {
    return this.#u32(56)
  }
  get accessTime(): bigint {
    return this.#time(64)
  }
  get birthTime(): bigint {
    return this.#time(80)
  }
  get changeTime(): bigint {
    return this.#time(96)
  }
  get modifyTime(): bigint {
    return this.#time(112)
  }
  /** Writes access and modification time as two `struct timespec`, for utimensat(2). @param target 8 words */
  putTimes(target: Int32Array): void {
    for (const [at, from] of [64, 112].entries()) {
      target[at * 4] = this.#u32(from)
      target[at * 4 + 1] = this.#u32(from + 4)
      target[at * 4 + 2] = this.#u32(from + 8)
      target[at * 4 + 3] = 0
    }
  }
  get specialDevice(): number {
    return this.#device(128)
  }
  get specialMajor(): number {
    return this.#u32(128)
  }
  get specialMinor(): number {
    return this.#u32(132)
  }
  get device(): number {
    return this.#device(136)
  }
  get deviceMajor(): number {
    return this.#u32(136)
  }
  get deviceMinor(): number {
    return this.#u32(140)
  }
  /** Alignment of memory for Direct I/O in bytes; 0 where it is not offered. */
  get directMemoryAlign(): number {
    return this.#u32(152)
  }
  /** Alignment of offset and length for Direct I/O in bytes; 0 where it is not offered. */
  get directOffsetAlign(): number {
    return this.#u32(156)
  }
  /** Bytes of the smallest and largest atomic write; 0 where it is not offered. */
  get atomicWriteMin(): number {
    return this.#u32(168)
  }
  get atomicWriteMax(): number {
    return this.#u32(172)
  }
}
