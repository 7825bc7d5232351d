import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { AppendLog, type AppendLogOptions, type LogReadOptions } from './index.js'

/** A folder of the test's own, removed after it. */
export async function scratch(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-log-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Small, so that opening thousands of logs takes no time. */
export const SMALL: AppendLogOptions = { segmentBytes: 65536, preallocate: 'none' }

/** Opens a log in a folder of its own, closed after the test. */
export async function scratchLog(t: TestContext, options: AppendLogOptions = SMALL): Promise<AppendLog> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-log-'))
  const log = await AppendLog.open(path, options)
  t.after(async () => {
    await log.close()
    await rm(path, { recursive: true, force: true })
  })
  return log
}

/** Record number `index`: its length and every byte follow from it. */
export function sample(index: number): Uint8Array {
  const bytes = new Uint8Array((index * 37) % 200)
  for (let at = 0; at < bytes.length; at++) bytes[at] = index * 7 + at
  return bytes
}

/** Everything in a log, as text. */
export async function contents(source: AppendLog | string, options?: LogReadOptions): Promise<string[]> {
  const records = typeof source === 'string' ? AppendLog.read(source, options) : source.read(options)
  const found: string[] = []
  for await (const { bytes } of records) found.push(Buffer.from(bytes).toString('latin1'))
  return found
}

/** Records `from` to `to - 1` as `contents()` shows them. */
export function samples(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => Buffer.from(sample(from + index)).toString('latin1'))
}

/** Text as bytes. */
export function text(value: string): Uint8Array {
  return Buffer.from(value, 'latin1')
}
