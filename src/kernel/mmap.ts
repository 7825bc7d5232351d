import { systemError } from './errors.js'
import { type NativeHandle, native } from './native.js'
import { syscall } from './syscall.js'

/** Protection of mapped memory. @see mmap(2) */
export const PROT = { NONE: 0, READ: 1, WRITE: 2, EXEC: 4 } as const

/** Flags of a mapping. @see mmap(2) */
export const MAP = {
  SHARED: 0x1,
  PRIVATE: 0x2,
  SHARED_VALIDATE: 0x3,
  FIXED: 0x10,
  ANONYMOUS: 0x20,
  LOCKED: 0x2000,
  NORESERVE: 0x4000,
  POPULATE: 0x8000,
  HUGETLB: 0x40000,
  SYNC: 0x80000,
  FIXED_NOREPLACE: 0x100000,
  HUGE_2MB: 21 << 26,
  HUGE_1GB: 30 << 26,
} as const

/** Advice about memory. @see madvise(2) */
export const MADV = {
  NORMAL: 0,
  RANDOM: 1,
  SEQUENTIAL: 2,
  WILLNEED: 3,
  DONTNEED: 4,
  FREE: 8,
  REMOVE: 9,
  DONTFORK: 10,
  DOFORK: 11,
  MERGEABLE: 12,
  HUGEPAGE: 14,
  NOHUGEPAGE: 15,
  DONTDUMP: 16,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  COLLAPSE: 25,
} as const

/** How to write a mapping back. @see msync(2) */
export const MS = { ASYNC: 1, INVALIDATE: 2, SYNC: 4 } as const

/** Bytes in a page of this machine's memory: 4096 on x64; arm64 kernels may use 16 or 64 KiB. */
export const PAGE_SIZE = process.arch === 'arm64' ? arm64PageSize() : 4096

function arm64PageSize(): number {
  // mincore(2) refuses an address that is not on a page boundary, which tells the size without sysconf(3).
  for (const size of [4096, 16384]) {
    if (syscall('mincore', size, 0, 0) !== -22) return size
  }
  return 65536
}

/** A piece of mapped memory: its ArrayBuffer, and the handle by which it is unmapped. */
export interface MappedMemory {
  readonly buffer: ArrayBuffer
  readonly handle: NativeHandle
  readonly address: number
}

/** A handle lives as long as its ArrayBuffer, so that memory outlives whatever a dying thread's rings still do. */
const handles = new WeakMap<ArrayBuffer, NativeHandle>()

/**
 * Maps memory and shows it as an ArrayBuffer. Forgotten, it is unmapped when the ArrayBuffer is collected.
 *
 * @param offset into the file, a multiple of the page size
 * @throws the system error of mmap(2)
 */
export function mapMemory(
  length: number,
  protection: number,
  flags: number,
  fd = -1,
  offset = 0,
): MappedMemory {
  const mapped = native().map(0, length, protection, flags, fd, offset)
  if (typeof mapped === 'number') throw systemError(mapped, 'mmap')
  const [buffer, handle] = mapped
  handles.set(buffer, handle)
  return { buffer, handle, address: native().addressOf(buffer) }
}

/**
 * Detaches the ArrayBuffer, so that every view of it is empty, and unmaps its memory. The kernel must not hold it.
 *
 * @throws the system error of munmap(2); `EBUSY` when the ArrayBuffer was transferred elsewhere
 */
export function unmapMemory(memory: MappedMemory): void {
  const result = native().unmap(memory.handle, memory.buffer)
  if (result < 0) throw systemError(result, 'munmap')
}

/** Detaches the ArrayBuffer now and leaves the memory mapped until `unmapMemory()`. */
export function detachMemory(memory: MappedMemory): void {
  const result = native().detach(memory.handle, memory.buffer)
  if (result < 0) throw systemError(result, 'munmap')
}
