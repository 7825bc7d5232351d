import { closeSync, openSync } from 'node:fs'
import { O } from '../fcntl.js'
import { PAGE_SIZE } from '../mmap.js'
import { STATX, type StatxView } from '../statx.js'
import { addressOf, syscall } from '../syscall.js'

/** Whether a file can be read past the page cache, and what that asks for. */
export interface DirectFacts {
  supported: boolean
  memoryAlign: number | null
  offsetAlign: number | null
  method: 'statx' | 'tried'
}

/** Alignments that file systems ask for. */
const CANDIDATES = [512, 1024, 2048, 4096, 16384, 65536]

/** Reads one block that is aligned to just so many bytes and no more. */
function readAligned(fd: number, align: number): boolean {
  const memory = new ArrayBuffer(4 * align + PAGE_SIZE)
  const misplaced = addressOf(memory) % (2 * align)
  const start = (2 * align - misplaced) % (2 * align)
  const block = new Uint8Array(memory, start + align, align)
  return syscall('pread64', fd, block, align, align) >= 0
}

/**
 * What Direct I/O on an open file asks for: what the kernel says (6.1), else what reads show.
 *
 * @param fd a file that can be opened again by its descriptor
 * @param least the smallest alignment to try. Btrfs reads through the page cache what is not aligned to its sectors,
 *   without a word: there a read that works proves nothing
 */
export function probeDirect(fd: number, stat: StatxView | undefined, least: number): DirectFacts {
  if (stat !== undefined && (stat.mask & STATX.DIOALIGN) !== 0) {
    const { directMemoryAlign: memoryAlign, directOffsetAlign: offsetAlign } = stat
    if (offsetAlign === 0) return { supported: false, memoryAlign: null, offsetAlign: null, method: 'statx' }
    return { supported: true, memoryAlign, offsetAlign, method: 'statx' }
  }
  let direct: number
  try {
    direct = openSync(`/proc/self/fd/${fd}`, O.RDONLY | O.DIRECT | O.CLOEXEC)
  } catch {
    // EINVAL: the file system has no Direct I/O. Anything else bars it just as well.
    return { supported: false, memoryAlign: null, offsetAlign: null, method: 'tried' }
  }
  const align = CANDIDATES.find(candidate => candidate >= least && readAligned(direct, candidate)) ?? null
  closeSync(direct)
  return { supported: align !== null, memoryAlign: align, offsetAlign: align, method: 'tried' }
}
