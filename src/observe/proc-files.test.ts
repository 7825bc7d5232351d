import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCpuTimes } from './cpu-times.js'
import { parseProcessIo } from './process-io.js'
import { mountOf, parseMounts } from './storage.js'

test('/proc/PID/io is told apart field by field', () => {
  const text =
    'rchar: 9\nwchar: 8\nsyscr: 7\nsyscw: 6\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n'
  assert.deepEqual(parseProcessIo(text), {
    bytesAsked: 9,
    bytesGiven: 8,
    readCalls: 7,
    writeCalls: 6,
    bytesFetched: 4096,
    bytesStored: 8192,
  })
})

test('the first line of /proc/stat is parted into work, idleness and theft', () => {
  const text = 'cpu  100 1 20 1000 50 3 4 7 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n'
  assert.deepEqual(parseCpuTimes(text), { busyMs: 1280, idleMs: 10500, stolenMs: 70 })
})

const MOUNTS = [
  '22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard',
  '23 22 0:21 / /data\\040disk rw - btrfs /dev/sdb1 rw,space_cache',
  '24 22 0:22 / /data rw master:2 shared:3 - tmpfs tmpfs rw,size=1k',
  '25 22 0:23 / /data rw - xfs /dev/sdc rw',
].join('\n')

test('a mount keeps its place whatever optional fields it has, and its name its spaces', () => {
  const mounts = parseMounts(`${MOUNTS}\n`)
  assert.equal(mounts.length, 4)
  assert.deepEqual(mounts[1], {
    device: '0:21',
    mountPoint: '/data disk',
    options: 'rw,space_cache',
    fileSystem: 'btrfs',
    source: '/dev/sdb1',
  })
  assert.equal(mounts[2]?.fileSystem, 'tmpfs')
})

test('a path lies on the deepest mount, of several in one place on the last, never on a mere namesake', () => {
  const mounts = parseMounts(MOUNTS)
  const fileSystem = (path: string) => mountOf(mounts, path)?.fileSystem
  assert.equal(fileSystem('/data/file'), 'xfs')
  assert.equal(fileSystem('/data'), 'xfs')
  assert.equal(fileSystem('/data disk/file'), 'btrfs')
  assert.equal(fileSystem('/database'), 'ext4')
  assert.equal(fileSystem('/'), 'ext4')
})
