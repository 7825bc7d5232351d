import assert from 'node:assert/strict'
import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { alignedBuffer } from 'sluice/memory'
import { prepareRead, Ring } from 'sluice/ring'
import { IORING_SETUP } from '#dist/kernel/index.js'
import { mounted } from '../helpers/mounts.js'

const MIB = 1024 * 1024
const PART = 16384
/** What the file system says where it cannot be polled. */
const EOPNOTSUPP = -95

test('where the device is polled, reaping asks it for what it has done', async t => {
  let ring: Ring
  try {
    ring = new Ring({ entries: 8, flags: IORING_SETUP.IOPOLL })
  } catch (error) {
    t.skip(`a polling ring is refused: ${(error as Error).message}`)
    return
  }
  t.after(() => ring.close())
  const mount = await mounted(t, 'ext4', 16 * MIB)
  if (mount === undefined) return
  const path = join(mount, 'file')
  writeFileSync(path, Buffer.alloc(4 * PART, 'x'), { flush: true })
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  t.after(() => closeSync(fd))
  const bytes = alignedBuffer(4 * PART)
  for (let index = 0; index < 4; index++) {
    const part = bytes.subarray(index * PART, (index + 1) * PART)
    prepareRead(ring.submissions, fd, part, index * PART, index)
  }
  ring.submit()
  const results: number[] = []
  // Nothing but this enters the kernel any more, and what is polled for is found in no other way.
  const deadline = Date.now() + 20_000
  while (results.length < 4 && Date.now() < deadline) ring.reap((_userData, result) => results.push(result))
  if (results[0] === EOPNOTSUPP) return t.skip('this file system cannot be polled')
  assert.deepEqual(results, [PART, PART, PART, PART])
  assert.ok(bytes.every(byte => byte === 0x78))
  const { enters } = ring
  ring.reap(() => assert.fail('nothing is in flight'))
  assert.equal(ring.enters, enters, 'nor is it asked for')
})
