import { readdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { segmentBase, segmentName } from './format.js'

/** The bases of a log's segments, oldest first. */
export async function listSegments(directory: string): Promise<number[]> {
  const bases = (await readdir(directory)).map(segmentBase)
  return bases.filter(base => base !== undefined).sort((one, other) => one - other)
}

/**
 * Chooses the oldest segments that need not be kept.
 *
 * @param bases oldest first
 * @param end of the log
 * @param keepBytes of the newest records
 * @param since milliseconds since 1970; what was written after it is kept
 * @returns how many of them, never all
 */
export async function countExpired(
  directory: string,
  bases: readonly number[],
  end: number,
  keepBytes: number,
  since: number,
): Promise<number> {
  let count = 0
  while (count < bases.length - 1) {
    const segmentEnd = bases[count + 1]
    const tooMuch = end - segmentEnd >= keepBytes
    if (!tooMuch && (await lastWrite(directory, bases[count])) >= since) break
    count++
  }
  return count
}

async function lastWrite(directory: string, base: number): Promise<number> {
  return (await stat(join(directory, segmentName(base)))).mtimeMs
}

/** Removes segments, the oldest first, so that what remains has no gap whenever it stops. */
export async function removeSegments(directory: string, bases: readonly number[]): Promise<void> {
  for (const base of bases) await unlink(join(directory, segmentName(base)))
}
