import { readFileSync } from 'node:fs'
import { engine } from '../engine/index.js'
import {
  AT,
  PAGE_SIZE,
  S,
  SluiceError,
  STATX,
  STATX_SIZE,
  StatxView,
  syscall,
  systemError,
} from '../kernel/index.js'
import { prepareStatx } from '../ring/index.js'

const EMPTY_PATH = new Uint8Array(new ArrayBuffer(1))
const FIELDS = STATX.BASIC_STATS | STATX.DIOALIGN | STATX.WRITE_ATOMIC

/** What Direct I/O on a file asks for, in bytes. */
export interface DirectAlignment {
  /** Memory must begin at a multiple of it. */
  readonly memory: number
  /** Positions and lengths must be multiples of it. */
  readonly offset: number
  /** The shortest and longest write that can be atomic: a power of two, at a multiple of its length. 0 for none. */
  readonly atomicMin: number
  readonly atomicMax: number
}

/**
 * Asks the file system; before Linux 6.1, the device.
 *
 * @throws `ERR_SLUICE_UNSUPPORTED` where the file system says that it does not offer Direct I/O
 */
export async function directAlignment(fd: number): Promise<DirectAlignment> {
  const answer = new Uint8Array(new ArrayBuffer(STATX_SIZE))
  await engine().run(
    (queue, userData) => prepareStatx(queue, fd, EMPTY_PATH, AT.EMPTY_PATH, FIELDS, answer, userData),
    { syscall: 'statx', buffers: [answer] },
  )
  return alignmentOf(new StatxView(answer.buffer))
}

/**
 * As `directAlignment()`, of what the kernel has at hand, and at once.
 *
 * @returns undefined where the file system says that it does not offer Direct I/O
 * @throws the system error of statx(2)
 */
export function directAlignmentNow(fd: number): DirectAlignment | undefined {
  const view = new StatxView()
  const flags = AT.EMPTY_PATH | AT.STATX_DONT_SYNC
  const result = syscall('statx', fd, EMPTY_PATH, flags, FIELDS, view.buffer)
  if (result < 0) throw systemError(result, 'statx')
  return offeredAlignment(view)
}

/** What an answer of statx(2) says of Direct I/O. @throws `ERR_SLUICE_UNSUPPORTED` where it says that there is none */
export function alignmentOf(view: StatxView): DirectAlignment {
  const alignment = offeredAlignment(view)
  if (alignment !== undefined) return alignment
  throw new SluiceError('ERR_SLUICE_UNSUPPORTED', 'This file cannot be read or written past the page cache')
}

/** As `alignmentOf()`. @returns undefined where it says that there is no Direct I/O */
export function offeredAlignment(view: StatxView): DirectAlignment | undefined {
  const atomic = { atomicMin: view.atomicWriteMin, atomicMax: view.atomicWriteMax }
  if ((view.mask & STATX.DIOALIGN) !== 0) {
    if (view.directOffsetAlign === 0) return undefined
    return { memory: view.directMemoryAlign, offset: view.directOffsetAlign, ...atomic }
  }
  const block = logicalBlockSize(view)
  return { memory: block, offset: block, ...atomic }
}

/** The device's logical block; a page where it cannot be found, which is a multiple of it. */
function logicalBlockSize(view: StatxView): number {
  const isDevice = (view.mode & S.IFMT) === S.IFBLK
  const device = isDevice ? [view.specialMajor, view.specialMinor] : [view.deviceMajor, view.deviceMinor]
  const folder = `/sys/dev/block/${device.join(':')}`
  // A partition's queue is its disk's.
  for (const path of [`${folder}/queue/logical_block_size`, `${folder}/../queue/logical_block_size`]) {
    try {
      const size = Number(readFileSync(path, 'utf8'))
      if (size > 0) return size
    } catch {
      // Not there: a file system without a device of its own, such as Btrfs or overlayfs.
    }
  }
  return PAGE_SIZE
}
