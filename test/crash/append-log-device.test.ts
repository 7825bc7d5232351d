import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { AppendLog } from 'sluice/file'
import { mounted } from '../helpers/mounts.js'
import { crashRecord } from './fixtures/append-log-record.js'

const KIB = 1024
const MIB = 1024 * KIB

/** What each of many concurrent appends came to: the record's number, and the error's code where there is one. */
async function appendAll(
  log: AppendLog,
  from: number,
  to: number,
): Promise<{ index: number; code?: string }[]> {
  return Promise.all(
    Array.from({ length: to - from }, async (_, offset) => {
      const index = from + offset
      return log.append(crashRecord(0, index)).then(
        () => ({ index }),
        error => ({ index, code: error.code }),
      )
    }),
  )
}

async function numbers(log: AppendLog): Promise<number[]> {
  const found: number[] = []
  for await (const { bytes } of log.read()) {
    const index = Buffer.from(bytes).readUInt32LE(0)
    assert.deepEqual(Buffer.from(bytes), crashRecord(0, index))
    found.push(index)
  }
  return found
}

for (const type of ['tmpfs', 'ext4'] as const) {
  for (const preallocate of ['zeros', 'none'] as const) {
    test(`a full ${type} (${preallocate}) is told to the appends it hits, and freed space is used again`, async t => {
      const mount = await mounted(t, type, type === 'tmpfs' ? 2 * MIB : 8 * MIB)
      if (mount === undefined) return
      writeFileSync(join(mount, 'filler'), Buffer.alloc(MIB))
      const options = { segmentBytes: 256 * KIB, preallocate }
      let log = await AppendLog.open(join(mount, 'log'), options)
      const acknowledged: number[] = []
      const refused: string[] = []
      let next = 0
      while (refused.length < 100) {
        const results = await appendAll(log, next, next + 50)
        for (const { index, code } of results)
          code === undefined ? acknowledged.push(index) : refused.push(code)
        next += 50
      }
      assert.deepEqual([...new Set(refused)], ['ENOSPC'])
      assert.equal(log.stats().failed, false)
      assert.deepEqual(await numbers(log), acknowledged)
      rmSync(join(mount, 'filler'))
      const results = await appendAll(log, next, next + 50)
      assert.ok(results.every(({ code }) => code === undefined))
      acknowledged.push(...results.map(({ index }) => index))
      assert.deepEqual(await numbers(log), acknowledged)
      await log.close()
      log = await AppendLog.open(join(mount, 'log'), options)
      assert.equal(log.recovered.truncated, 0)
      assert.deepEqual(await numbers(log), acknowledged)
      await log.close()
    })
  }
}

test('a device that fails poisons the log; what was acknowledged is there', async t => {
  // The image's own file system is full, so blocks of the image that are not there yet cannot be written.
  const below = await mounted(t, 'tmpfs', 24 * MIB)
  if (below === undefined) return
  const mount = await mounted(t, 'ext4', 128 * MIB, join(below, 'image'))
  if (mount === undefined) return
  const log = await AppendLog.open(join(mount, 'log'), { segmentBytes: 64 * MIB, preallocate: 'extents' })
  const acknowledged: number[] = []
  const failed: string[] = []
  let next = 0
  while (failed.length === 0 && next < 400_000) {
    const results = await appendAll(log, next, next + 2000)
    for (const { index, code } of results) code === undefined ? acknowledged.push(index) : failed.push(code)
    next += 2000
  }
  assert.equal(failed[0], 'EIO')
  assert.equal(log.stats().failed, true)
  await assert.rejects(log.append(Buffer.alloc(1)), { code: 'ERR_SLUICE_LOG_FAILED' })
  assert.deepEqual(await numbers(log), acknowledged)
  await log.close()
})
