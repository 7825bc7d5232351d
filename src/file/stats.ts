import { type BigIntStats, Stats as NodeStats } from 'node:fs'
import { S, STATX_TIME, STATX_WIDE, type StatxView } from '../kernel/index.js'

/** Where each of Node's times stands in the kernel's answer. */
const TIMES = {
  atime: STATX_TIME.ACCESS,
  mtime: STATX_TIME.MODIFY,
  ctime: STATX_TIME.CHANGE,
  birthtime: STATX_TIME.BIRTH,
} as const

const MS_PER_SECOND = 1000
const NS_PER_MS = 1e6
const NS_PER_SECOND = 1_000_000_000n

/** Node's times are doubles, made of seconds and nanoseconds exactly so. */
function milliseconds(view: StatxView, time: number): number {
  return view.seconds(time) * MS_PER_SECOND + view.nanoseconds(time) / NS_PER_MS
}

/** What both kinds have in common. */
abstract class StatsBase {
  abstract readonly mode: number | bigint

  #is(type: number): boolean {
    return (Number(this.mode) & S.IFMT) === type
  }
  isDirectory(): boolean {
    return this.#is(S.IFDIR)
  }
  isFile(): boolean {
    return this.#is(S.IFREG)
  }
  isBlockDevice(): boolean {
    return this.#is(S.IFBLK)
  }
  isCharacterDevice(): boolean {
    return this.#is(S.IFCHR)
  }
  isSymbolicLink(): boolean {
    return this.#is(S.IFLNK)
  }
  isFIFO(): boolean {
    return this.#is(S.IFIFO)
  }
  isSocket(): boolean {
    return this.#is(S.IFSOCK)
  }
}

class Stats extends StatsBase {
  readonly dev: number
  readonly mode: number
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly rdev: number
  readonly blksize: number
  readonly ino: number
  readonly size: number
  readonly blocks: number
  readonly atimeMs: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly birthtimeMs: number
  // Beyond what a double of milliseconds can hold, for Temporal.
  readonly #atimeNs: number
  readonly #mtimeNs: number
  readonly #ctimeNs: number
  readonly #birthtimeNs: number

  constructor(view: StatxView) {
    super()
    this.dev = view.device
    this.mode = view.mode
    this.nlink = view.links
    this.uid = view.uid
    this.gid = view.gid
    this.rdev = view.specialDevice
    this.blksize = view.blockSize
    this.ino = view.inode
    this.size = view.size
    this.blocks = view.blocks
    this.atimeMs = milliseconds(view, TIMES.atime)
    this.mtimeMs = milliseconds(view, TIMES.mtime)
    this.ctimeMs = milliseconds(view, TIMES.ctime)
    this.birthtimeMs = milliseconds(view, TIMES.birthtime)
    this.#atimeNs = view.nanoseconds(TIMES.atime)
    this.#mtimeNs = view.nanoseconds(TIMES.mtime)
    this.#ctimeNs = view.nanoseconds(TIMES.ctime)
    this.#birthtimeNs = view.nanoseconds(TIMES.birthtime)
  }

  /** Nanoseconds since 1970 of one of its times. */
  static nanoseconds(stats: Stats, time: keyof typeof TIMES): bigint {
    const parts = {
      atime: stats.#atimeNs,
      mtime: stats.#mtimeNs,
      ctime: stats.#ctimeNs,
      birthtime: stats.#birthtimeNs,
    }
    const seconds = Math.floor(stats[`${time}Ms`] / MS_PER_SECOND)
    return BigInt(seconds) * NS_PER_SECOND + BigInt(parts[time])
  }
}

class ExactStats extends StatsBase {
  readonly dev: bigint
  readonly mode: bigint
  readonly nlink: bigint
  readonly uid: bigint
  readonly gid: bigint
  readonly rdev: bigint
  readonly blksize: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly blocks: bigint
  readonly atimeMs: bigint
  readonly mtimeMs: bigint
  readonly ctimeMs: bigint
  readonly birthtimeMs: bigint
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly birthtimeNs: bigint

  constructor(view: StatxView) {
    super()
    this.dev = BigInt(view.device)
    this.mode = BigInt(view.mode)
    this.nlink = BigInt(view.links)
    this.uid = BigInt(view.uid)
    this.gid = BigInt(view.gid)
    this.rdev = BigInt(view.specialDevice)
    this.blksize = BigInt(view.blockSize)
    this.ino = view.exact(STATX_WIDE.INODE)
    this.size = view.exact(STATX_WIDE.SIZE)
    this.blocks = view.exact(STATX_WIDE.BLOCKS)
    this.atimeMs = view.accessTime / 1_000_000n
    this.mtimeMs = view.modifyTime / 1_000_000n
    this.ctimeMs = view.changeTime / 1_000_000n
    this.birthtimeMs = view.birthTime / 1_000_000n
    this.atimeNs = view.accessTime
    this.mtimeNs = view.modifyTime
    this.ctimeNs = view.changeTime
    this.birthtimeNs = view.birthTime
  }
}

/**
 * Gives a class a property that is worked out when it is first asked for, and then its objects' own, as Node does it
 * with the dates.
 */
function lazily<T extends object>(target: { prototype: T }, name: string, make: (self: T) => unknown): void {
  const keep = (self: T, value: unknown) => {
    Object.defineProperty(self, name, { value, writable: true, enumerable: true, configurable: true })
    return value
  }
  Object.defineProperty(target.prototype, name, {
    enumerable: true,
    configurable: true,
    get(this: T) {
      return keep(this, make(this))
    },
    set(this: T, value: unknown) {
      keep(this, value)
    },
  })
}

interface WithTemporal {
  Temporal?: { Instant: new (nanoseconds: bigint) => object }
}
const { Temporal } = globalThis as WithTemporal

for (const time of Object.keys(TIMES) as (keyof typeof TIMES)[]) {
  lazily(Stats, time, self => new Date(Math.round(self[`${time}Ms`])))
  lazily(ExactStats, time, self => new Date(Number(self[`${time}Ms`])))
  if (Temporal !== undefined) {
    lazily(Stats, `${time}Instant`, self => new Temporal.Instant(Stats.nanoseconds(self, time)))
    lazily(ExactStats, `${time}Instant`, self => new Temporal.Instant(self[`${time}Ns`]))
  }
}

// So that `instanceof fs.Stats` holds. Its methods are all overridden: they rely on Node's inside.
Object.setPrototypeOf(StatsBase.prototype, NodeStats.prototype)
Object.defineProperty(ExactStats, 'name', { value: 'BigIntStats' })

/** What a statx answer says, as `node:fs` gives it: an `fs.Stats`. */
export function statsOf(view: StatxView): NodeStats {
  return new Stats(view) as unknown as NodeStats
}

/** The same with every number a BigInt and times to the nanosecond: an `fs.BigIntStats`. */
export function bigIntStatsOf(view: StatxView): BigIntStats {
  return new ExactStats(view) as unknown as BigIntStats
}
