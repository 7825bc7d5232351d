import {
  fileSystemType,
  MADV,
  MAP,
  OwnedMapping,
  PAGE_SIZE,
  PROT,
  resultOf,
  SEEK,
  SYSCALL,
} from '../../kernel/index.js'
import type { Copying } from './copying.js'
import { call, JobList } from './job-list.js'

/** Mapped at once. Threads that are woken more often wait for each other, on two processors a third of the time. */
const WINDOW_BYTES = 128 * 2 ** 20
/** Windows that are mapped at most: one is paged in while the one before is written from. */
const WINDOWS = 2
/** Milliseconds between two looks at how far a window is. */
const LOOK_MS = 50
/** Paged in by one call. What is not cached is read by that, further ahead than the kernel would. */
const POPULATE_BYTES = 2 ** 20
/** Written by one call. A file system may take as many bytes of memory at once. */
const WRITE_BYTES = 4 * 2 ** 20
/** Below this, to hand the paging to another thread takes longer than to do it. */
const ALONE_BYTES = 2 * 2 ** 20

const EXT4 = 0xef53

/** A piece of the source that is mapped. Only the kernel touches it: a source that ends early is no signal. */
interface Window {
  /** Begins with the first byte of a page. */
  mapping: OwnedMapping
  /** Bytes of it. */
  mapped: number
  /** Of the piece, which ends where the mapping does. */
  from: number
  to: number
}

/**
 * Where a copy of a range has ended that was written as far as `end`. A page in which the source ends is mapped as a whole,
 * and what is behind the end is zero: where the source has become shorter, that is no part of it.
 *
 * @param size of the source when it had been written
 */
function endIn(from: number, to: number, end: number, size: number): number {
  if (end === to && !(size >= 0 && size < to && size > to - PAGE_SIZE)) return to
  return Math.max(from, (Math.ceil(end / PAGE_SIZE) - 1) * PAGE_SIZE)
}

/**
 * Writes right from mapped pages of the page cache, while another thread pages in what comes next.
 *
 * @returns where it ended: before `to` where the source does, or cannot be mapped, or cannot be read, or where there is no
 *   more room. A read and a write tell which.
 */
export async function copyByMap(copying: Copying, source: number, target: number, from: number, to: number) {
  if (to - from <= ALONE_BYTES) return copyAlone(source, target, from, to)
  // Where blocks are reserved one by one, that is a sixth of what writing costs. Without room, the write will say so.
  if (fileSystemType(target) === EXT4) await call('fallocate', undefined, target, 0, from, to - from)
  const windows: Promise<Window | undefined>[] = []
  let paging: Promise<void> = Promise.resolve()
  let ahead = from
  let at = from
  try {
    while (at < to) {
      copying.checkAborted()
      for (; ahead < to && windows.length < WINDOWS; ahead += WINDOW_BYTES) {
        const [begin, end] = [ahead, Math.min(to, ahead + WINDOW_BYTES)]
        const window = paging.then(() => map(source, begin, end))
        windows.push(window)
        paging = window.then(populate)
      }
      const window = await windows[0]
      if (window === undefined) return at
      at = await write(copying, window, source, target)
      if (at < window.to) return at
      windows.shift()
      window.mapping.close()
      copying.progress(at)
    }
    return to
  } finally {
    // Whoever closes the descriptors, or ends, does so when nothing is under way.
    await Promise.allSettled([paging])
    for (const window of await Promise.allSettled(windows)) {
      if (window.status === 'fulfilled') window.value?.mapping.close()
    }
  }
}

/** A short piece, in one crossing. */
async function copyAlone(source: number, target: number, from: number, to: number): Promise<number> {
  // The address of a piece that begins amid a page is not what mmap(2) returns.
  if (from % PAGE_SIZE > 0) return from
  const jobs = new JobList()
  const map = jobs.add('mmap', 0, to - from, PROT.READ, MAP.SHARED | MAP.POPULATE, source, from)
  const written = jobs.add('pwrite64', target, resultOf(map), to - from, from)
  jobs.add('munmap', resultOf(map), to - from)
  const size = jobs.add('lseek', source, 0, SEEK.END)
  await jobs.run()
  return endIn(from, to, from + Math.max(0, jobs.result(written)), jobs.result(size))
}

/** @returns undefined where it cannot be mapped; why, the read in its place will say */
function map(source: number, from: number, to: number): Window | undefined {
  const lead = from % PAGE_SIZE
  const mapped = to - from + lead
  try {
    const mapping = new OwnedMapping(mapped, PROT.READ, MAP.SHARED, source, from - lead)
    return { mapping, mapped, from, to }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno === undefined) throw error
    return undefined
  }
}

/** That some of it cannot be paged in is for who writes it to find out. */
async function populate(window: Window | undefined): Promise<void> {
  if (window === undefined) return
  const { mapping, mapped } = window
  const jobs = new JobList()
  for (let done = 0; done < mapped; done += POPULATE_BYTES) {
    jobs.add('madvise', mapping.address + done, Math.min(POPULATE_BYTES, mapped - done), MADV.POPULATE_READ)
  }
  await jobs.run()
}

/** @returns where it ended: before what could not be written. @throws `AbortError`, what `onProgress` throws */
async function write(copying: Copying, window: Window, source: number, target: number): Promise<number> {
  const { mapping, mapped, from, to } = window
  const jobs = new JobList()
  const start = mapping.address + mapped - to
  for (let at = from; at < to; at += WRITE_BYTES) {
    jobs.add('pwrite64', target, start + at, Math.min(WRITE_BYTES, to - at), at)
  }
  const size = jobs.add('lseek', source, 0, SEEK.END)
  let failure: unknown
  const look = setInterval(() => {
    try {
      copying.checkAborted()
      copying.progress(written(jobs, window, false))
    } catch (error) {
      failure = error
      jobs.abandon()
    }
  }, LOOK_MS)
  try {
    await jobs.run()
  } finally {
    clearInterval(look)
  }
  if (failure !== undefined) throw failure
  return endIn(from, to, written(jobs, window, true), jobs.result(size))
}

/**
 * How far a window has been written, without a gap. A job that is not over has the number of its call for a result, which
 * may also be what a last, short one has written.
 */
function written(jobs: JobList, { from, to }: Window, over: boolean): number {
  let end = from
  for (let index = 0; end < to; index++) {
    const result = jobs.result(index)
    if (result > 0 && (over || result !== SYSCALL.pwrite64)) end += result
    if (result < WRITE_BYTES) break
  }
  return end
}
