import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { AppendLog } from 'sluice/file'
import { crashRecord } from './fixtures/append-log-record.js'

/** How long to go on. A night of it: `SLUICE_CRASH_SECONDS=30000`; or so many kills: `SLUICE_CRASH_KILLS=5000`. */
const SECONDS = Number(process.env.SLUICE_CRASH_SECONDS ?? (process.env.SLUICE_TEST_BRIEF ? 4 : 18))
/** Each kill hits so many logs, each at a point of its own. */
const LOGS = Number(process.env.SLUICE_CRASH_LOGS ?? 64)
/** Logs that are killed in the middle of something, at the least. */
const LEAST = 1000
const KILLS = Number(process.env.SLUICE_CRASH_KILLS ?? Math.ceil(LEAST / LOGS))
/** Given a number of kills, it is over with the last of them. */
const UNTIL = process.env.SLUICE_CRASH_KILLS === undefined ? SECONDS * 1000 : 0
const PROGRAM = fileURLToPath(new URL('./fixtures/append-log-writer.js', import.meta.url))

/** Lets a writer go on where the logs end, and kills it so long after it has begun to open or to write. */
async function writeAndKill(
  directory: string,
  firsts: number[],
  phase: 'opening' | 'writing',
  delayMs: number,
  seed: number,
): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, directory, `${LOGS}`, firsts.join(), `${seed}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface(child.stdout)) if (line === phase) break
  // The moment of the kill is what is random here; nothing is waited for.
  const timer = setTimeout(() => child.kill('SIGKILL'), delayMs)
  const [, signal] = await once(child, 'exit')
  clearTimeout(timer)
  assert.equal(signal, 'SIGKILL', 'the writer goes on until it is killed')
}

/** Opens a log after a crash. @returns the number of its next record */
async function verify(directory: string, number: number, acknowledged: number): Promise<number> {
  const path = join(directory, String(number))
  const log = await AppendLog.open(path, { segmentBytes: 16384, preallocate: 'none' })
  let next = -1
  for await (const { bytes } of log.read()) {
    const index = Buffer.from(bytes).readUInt32LE(0)
    if (next >= 0) assert.equal(index, next, `log ${number}: record ${index} behind ${next - 1}`)
    assert.deepEqual(Buffer.from(bytes), crashRecord(number, index), `log ${number}: record ${index} is torn`)
    next = index + 1
  }
  await log.close()
  next = Math.max(next, 0)
  assert.ok(next >= acknowledged, `log ${number}: ${acknowledged} acknowledged, ${next} there`)
  const again = await AppendLog.open(path, { segmentBytes: 16384, preallocate: 'none' })
  assert.equal(again.recovered.truncated, 0, 'the second recovery finds nothing to do')
  assert.equal(again.end, log.end)
  await again.close()
  return next
}

test('no SIGKILL at any point loses an acknowledged record, or shows a torn one', async t => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-crash-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const numbers = Array.from({ length: LOGS }, (_, number) => number)
  const until = performance.now() + UNTIL
  let firsts = numbers.map(() => 0)
  let kills = 0
  let records = 0
  for (; kills < KILLS || performance.now() < until; kills++) {
    await writeFile(join(directory, 'acknowledged'), Buffer.alloc(LOGS * 4))
    const seed = 1 + Math.floor(Math.random() * 0xfffffffe)
    const delayMs = Math.random() * 50
    const phase = kills % 5 === 0 ? 'opening' : 'writing'
    const message = `kill ${kills}, seed ${seed}, ${delayMs} ms after ${phase}`
    await writeAndKill(directory, firsts, phase, delayMs, seed)
    const acknowledged = await readFile(join(directory, 'acknowledged'))
    const ends = await Promise.all(
      numbers.map(number =>
        verify(directory, number, Math.max(acknowledged.readUInt32LE(number * 4), firsts[number])).catch(
          error => {
            throw new Error(message, { cause: error })
          },
        ),
      ),
    )
    records += ends.reduce((sum, end, number) => sum + end - firsts[number], 0)
    firsts = ends
  }
  t.diagnostic(`${kills} kills of ${LOGS} logs each: ${kills * LOGS} recoveries, ${records} records`)
  if (process.env.SLUICE_CRASH_KILLS === undefined) assert.ok(kills * LOGS >= LEAST)
  assert.ok(records > 0)
})
