import { SluiceError } from './errors.js'
import { native } from './native.js'

/** The instruction by which this processor writes a cache line back: `clwb`, `dc cvap`, …; empty where none is known. */
export function cacheLineInstruction(): string {
  return native().cacheLineInstruction()
}

/**
 * Writes back every cache line of a range of memory, and waits. On persistent memory that is mapped with MAP_SYNC it is
 * durable then, without a system call.
 *
 * @param address of mapped memory; anything else ends the process
 * @throws `ERR_SLUICE_UNSUPPORTED` on a processor that is not known here
 */
export function flushCacheLines(address: number, length: number): void {
  if (cacheLineInstruction() === '') {
    throw new SluiceError(
      'ERR_SLUICE_UNSUPPORTED',
      `How ${process.arch} writes cache lines back is not known`,
    )
  }
  native().flushCacheLines(address, length)
}
