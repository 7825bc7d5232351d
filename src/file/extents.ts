import { offload } from '../engine/index.js'
import { AbortError, checkInteger, checkObject, SEEK } from '../kernel/index.js'
import { checkSignal } from './arguments.js'
import { closedError, type Descriptor } from './descriptor.js'

/** A stretch of a file that is stored, or that is not and reads as zeros. */
export interface Extent {
  kind: 'data' | 'hole'
  /** First byte. */
  offset: number
  /** Bytes. */
  length: number
}

/** Which part of a file `extents()` looks at. */
export interface ExtentsOptions {
  /** First byte; 0 by default. */
  start?: number | undefined
  /** The byte after the last; the file's end by default. */
  end?: number | undefined
  signal?: AbortSignal | undefined
}

/** Extents found in one turn at the file's position. */
const AT_ONCE = 64

/** Where data or a hole begins, from an offset on; -1 where there is none before the file's end. */
async function seek(descriptor: Descriptor, offset: number, whence: number): Promise<number> {
  try {
    return await offload('lseek', [descriptor.fd, offset, whence])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENXIO') return -1
    throw error
  }
}

/** Finds up to `AT_ONCE` extents. Looking for them moves the file's position, so it is put back before others use it. */
function find(descriptor: Descriptor, start: number, end: number): Promise<Extent[]> {
  return descriptor.cursor.hold(async () => {
    const position = await seek(descriptor, 0, SEEK.CUR)
    try {
      return await collect(descriptor, start, end)
    } finally {
      await seek(descriptor, position, SEEK.SET)
    }
  })
}

async function collect(descriptor: Descriptor, start: number, end: number): Promise<Extent[]> {
  const found: Extent[] = []
  let at = start
  while (at < end && found.length < AT_ONCE) {
    const data = await seek(descriptor, at, SEEK.DATA)
    if (data < 0 || data >= end) {
      const last = Math.min(end, await seek(descriptor, 0, SEEK.END))
      if (last > at) found.push({ kind: 'hole', offset: at, length: last - at })
      break
    }
    if (data > at) found.push({ kind: 'hole', offset: at, length: data - at })
    const hole = Math.min(end, await seek(descriptor, data, SEEK.HOLE))
    // The file may have been cut meanwhile.
    if (hole <= data) break
    found.push({ kind: 'data', offset: data, length: hole - data })
    at = hole
  }
  return found
}

/** A file's extents, in order. Neighbours differ in kind. */
export async function* extents(
  descriptor: Descriptor,
  options: ExtentsOptions,
): AsyncGenerator<Extent, void> {
  checkObject(options)
  const { start = 0, end = Number.MAX_SAFE_INTEGER, signal } = options
  checkInteger(start, 'options.start', 0)
  checkInteger(end, 'options.end', start)
  checkSignal(signal)
  let at = start
  while (true) {
    if (descriptor.isClosing) throw closedError('lseek')
    const found = await descriptor.during(() => find(descriptor, at, end))
    for (const extent of found) {
      if (signal?.aborted) throw new AbortError(signal)
      yield extent
    }
    const last = found.at(-1)
    if (last === undefined || found.length < AT_ONCE) return
    at = last.offset + last.length
  }
}
