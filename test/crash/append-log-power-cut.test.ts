import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { AppendLog } from 'sluice/file'
import { mounted } from '../helpers/mounts.js'
import { crashRecord } from './fixtures/append-log-record.js'

const MIB = 2 ** 20
const SEGMENT_BYTES = 65536
const ROTATIONS = 3

/** What was on the device at the moment when so many records had been acknowledged. */
interface Snapshot {
  image: string
  acknowledged: number
}

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}`)
}

/** A file that is the device of a file system. @returns undefined where none can be mounted, after skipping the test */
async function deviceOf(
  t: TestContext,
): Promise<{ mount: string; folder: string; path: string } | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-power-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'device')
  const mount = await mounted(t, 'ext4', 16 * MIB, path)
  if (mount === undefined) return undefined
  // What nobody syncs is to stay in memory until the test is over.
  run('mount', '-o', 'remount,commit=300', mount)
  return { mount, folder, path }
}

/** Mounts what the device had, as after a power cut. @returns the numbers of the records that its log holds */
async function recordsOf({ image }: Snapshot, t: TestContext): Promise<number[]> {
  const point = mkdtempSync(join(tmpdir(), 'sluice-power-'))
  t.after(() => rmSync(point, { recursive: true }))
  run('mount', '-o', 'loop', image, point)
  try {
    await using log = await AppendLog.open(join(point, 'deep', 'log'), { segmentBytes: SEGMENT_BYTES })
    const found: number[] = []
    for await (const { bytes } of log.read()) {
      const index = Buffer.from(bytes).readUInt32LE(0)
      assert.deepEqual(Buffer.from(bytes), crashRecord(0, index))
      found.push(index)
    }
    return found
  } finally {
    run('umount', point)
  }
}

/**
 * A SIGKILL leaves the page cache as it is; a power cut leaves what is on the device. Here the device is a file, which is
 * copied at the very moment of an acknowledgement, while this thread lets nothing else happen.
 */
for (const preallocate of ['zeros', 'none'] as const) {
  test(`whatever has been acknowledged is on the device, across segments too: ${preallocate}`, async t => {
    const device = await deviceOf(t)
    if (device === undefined) return
    const { mount, folder, path } = device
    const log = await AppendLog.open(join(mount, 'deep', 'log'), { segmentBytes: SEGMENT_BYTES, preallocate })
    const snapshots: Snapshot[] = []
    let acknowledged = 0
    let rotations = -1
    let start = 0
    const append = async (index: number) => {
      await log.append(crashRecord(0, index))
      acknowledged++
      const { end, ...stats } = log.stats()
      const isFirst = stats.rotations !== rotations
      if (isFirst) start = end
      rotations = stats.rotations
      // Later in a segment the next one is made ready, and the copy could be of half a write of that.
      const quiet = end - start < SEGMENT_BYTES / 4
      if (!isFirst && !(quiet && Math.random() < 0.02)) return
      const image = join(folder, `snapshot-${snapshots.length}`)
      copyFileSync(path, image)
      snapshots.push({ image, acknowledged })
    }
    let next = 0
    while (rotations < ROTATIONS) {
      const burst = 1 + Math.floor(Math.random() * 12)
      await Promise.all(Array.from({ length: burst }, () => append(next++)))
    }
    await log.close()
    for (const snapshot of snapshots) {
      const found = await recordsOf(snapshot, t)
      const { acknowledged: least } = snapshot
      assert.ok(found.length >= least, `${least} acknowledged, ${found.length} there`)
      assert.deepEqual(
        found,
        found.map((_, index) => index),
      )
    }
    assert.ok(snapshots.length > ROTATIONS)
    t.diagnostic(`${snapshots.length} power cuts, ${acknowledged} records`)
  })
}

test('a segment whose name a killed writer had not made durable yet is durable once it is written to', async t => {
  const device = await deviceOf(t)
  if (device === undefined) return
  const { mount, folder, path } = device
  const directory = join(mount, 'deep', 'log')
  const options = { segmentBytes: SEGMENT_BYTES, preallocate: 'zeros' } as const
  let log = await AppendLog.open(directory, options)
  let count = 0
  while (log.stats().rotations === 0) await log.append(crashRecord(0, count++))
  await log.close()
  const newest = readdirSync(directory)
    .filter(name => name.endsWith('.log'))
    .sort()
    .at(-1) as string
  renameSync(join(directory, newest), join(directory, 'spare.tmp'))
  run('sync', '--file-system', mount)
  // From here on it is as after a SIGKILL: the new name is known to this kernel only.
  renameSync(join(directory, 'spare.tmp'), join(directory, newest))
  log = await AppendLog.open(directory, options)
  await log.append(crashRecord(0, count++))
  const image = join(folder, 'snapshot')
  copyFileSync(path, image)
  await log.close()
  assert.equal((await recordsOf({ image, acknowledged: count }, t)).length, count)
})
