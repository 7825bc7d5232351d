import assert from 'node:assert/strict'
import { readSync } from 'node:fs'
import { join } from 'node:path'
import { O } from '../kernel/index.js'
import { alignedBuffer } from '../memory/index.js'
import { prepareReadFixed, prepareReadFixedAt, prepareWriteFixed, type Ring } from './index.js'
import { bytesOf, room, textOf } from './operation.test.support.js'
import { completion, failure, ringTest, type Stage } from './ring.test.support.js'

const TEXT = 'registered'

/** Reads the file's text into a registered buffer. @returns the operation's result */
function readInto(ring: Ring, fd: number, buffer: Uint8Array, index: number): number {
  assert.ok(prepareReadFixed(ring.submissions, fd, buffer, index, 0, 1))
  return completion(ring).result
}

/** Where the kernel lacks something of newer ones, says so and answers false. */
function has(stage: Stage, what: string, action: () => void): boolean {
  try {
    action()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
    stage.skip(`this kernel has no ${what}`)
    return false
  }
}

ringTest('a registered buffer is read into and written from, in part or whole', stage => {
  const ring = stage.ring()
  const buffer = room(64)
  ring.registerBuffers([room(8), buffer])
  const file = stage.file(TEXT, O.RDWR)
  const part = buffer.subarray(10, 20)
  assert.equal(readInto(ring, file, part, 1), 10)
  assert.equal(textOf(part), TEXT)
  buffer.set(bytesOf('REG'), 10)
  prepareWriteFixed(ring.submissions, file, buffer.subarray(10, 13), 1, 0, 2)
  assert.equal(completion(ring).result, 3)
  const back = room(10)
  readSync(file, back, 0, 10, 0)
  assert.equal(textOf(back), 'REGistered')
})

ringTest('what reaches beyond a registered buffer, or names none, is refused and touches nothing', stage => {
  const ring = stage.ring()
  const file = stage.file(TEXT)
  const slab = room(64)
  const inside = slab.subarray(16, 32)
  ring.registerBuffers([inside])
  const refused = failure('EFAULT')
  assert.equal(readInto(ring, file, slab.subarray(15, 20), 0), refused)
  assert.equal(readInto(ring, file, slab.subarray(30, 40), 0), refused)
  assert.equal(readInto(ring, file, room(4), 0), refused)
  assert.equal(readInto(ring, file, inside, 1), refused)
  assert.equal(readInto(ring, file, inside, 65535), refused)
  prepareReadFixedAt(ring.submissions, file, Number.MAX_SAFE_INTEGER, 16, 0, 0, 1)
  assert.equal(completion(ring).result, refused)
  assert.deepEqual(slab, room(64))
})

ringTest('empty places are filled, replaced and emptied while the ring runs', stage => {
  const ring = stage.ring()
  const file = stage.file(TEXT)
  if (!has(stage, 'sparse buffers', () => ring.registerBuffers(4))) return
  const [first, second] = [room(16), room(16)]
  assert.deepEqual(ring.buffers, [null, null, null, null])
  assert.equal(readInto(ring, file, first, 2), failure('EFAULT'))
  ring.updateBuffers(2, [first])
  assert.deepEqual(ring.buffers, [null, null, first, null])
  assert.equal(readInto(ring, file, first, 2), 10)
  ring.updateBuffers(1, [second, second])
  assert.equal(readInto(ring, file, second, 1), 10)
  assert.equal(readInto(ring, file, second, 2), 10)
  assert.equal(readInto(ring, file, first, 2), failure('EFAULT'))
  ring.updateBuffers(1, [null])
  assert.deepEqual(ring.buffers, [null, null, second, null])
  assert.equal(readInto(ring, file, second, 1), failure('EFAULT'))
  assert.equal(readInto(ring, file, second, 2), 10)
})

ringTest('buffers are unregistered and registered anew', stage => {
  const ring = stage.ring()
  const file = stage.file(TEXT)
  const buffer = room(16)
  ring.registerBuffers([buffer])
  assert.throws(() => ring.registerBuffers([buffer]), { code: 'EBUSY' })
  ring.unregisterBuffers()
  assert.deepEqual(ring.buffers, [])
  assert.equal(readInto(ring, file, buffer, 0), failure('EFAULT'))
  assert.throws(() => ring.unregisterBuffers(), { code: 'ENXIO' })
  ring.registerBuffers([room(4), buffer])
  assert.equal(readInto(ring, file, buffer, 1), 10)
})

ringTest('another ring takes over registered buffers, all or some', stage => {
  const source = stage.ring()
  const ring = stage.ring()
  const file = stage.file(TEXT)
  const buffers = [room(16), room(16), room(16)] as const
  source.registerBuffers(buffers)
  if (!has(stage, 'cloning of buffers', () => ring.cloneBuffers(source))) return
  assert.deepEqual(ring.buffers, buffers)
  source.unregisterBuffers()
  assert.equal(readInto(ring, file, buffers[1], 1), 10)

  const partly = stage.ring()
  partly.registerBuffers(4)
  const range = { sourceOffset: 1, offset: 2, count: 2, replace: true }
  if (!has(stage, 'cloning of ranges', () => partly.cloneBuffers(ring, range))) return
  assert.deepEqual(partly.buffers, [null, null, buffers[1], buffers[2]])
  assert.equal(readInto(partly, file, buffers[2], 3), 10)
  assert.equal(readInto(partly, file, buffers[2], 1), failure('EFAULT'))
})

ringTest('a ring clones into a table that is not there yet', stage => {
  const source = stage.ring()
  const ring = stage.ring()
  const buffers = [room(16), room(16)] as const
  source.registerBuffers(buffers)
  const range = { sourceOffset: 1, offset: 2, count: 1 }
  if (!has(stage, 'cloning of ranges', () => ring.cloneBuffers(source, range))) return
  assert.deepEqual(ring.buffers, [null, null, buffers[1]])
  assert.equal(readInto(ring, stage.file(TEXT), buffers[1], 2), 10)
})

ringTest('a registered buffer that nobody else holds is still there', stage => {
  const ring = stage.ring()
  const file = stage.file(TEXT)
  const read = () => {
    const buffer = ring.buffers[0] as Uint8Array
    const result = readInto(ring, file, buffer, 0)
    return [result, textOf(buffer.subarray(0, 10))]
  }
  ring.registerBuffers([room(1 << 20)])
  // Garbage, of which the buffer would be a part if the ring did not hold it.
  for (let index = 0; index < 50; index++) room(1 << 20)
  assert.deepEqual(read(), [10, TEXT])
})

ringTest('Direct I/O goes into a registered buffer', stage => {
  const ring = stage.ring()
  const slab = alignedBuffer(8192, 4096)
  ring.registerBuffers([slab])
  const path = join(stage.directory(), 'file')
  let file: number
  try {
    file = stage.openFile(path, O.RDWR | O.CREAT | O.DIRECT)
  } catch (error) {
    return stage.skip(`no Direct I/O here: ${(error as Error).message}`)
  }
  slab.fill(7)
  prepareWriteFixed(ring.submissions, file, slab, 0, 0, 1)
  assert.equal(completion(ring).result, 8192)
  slab.fill(0)
  assert.equal(readInto(ring, file, slab.subarray(4096), 0), 4096)
  assert.ok(slab.subarray(4096).every(byte => byte === 7))
  assert.ok(slab.subarray(0, 4096).every(byte => byte === 0))
})

ringTest('what is no table of buffers is refused', stage => {
  const ring = stage.ring()
  for (const wrong of [0, -1, 1.5, 16385, Number.NaN, Number.MAX_SAFE_INTEGER]) {
    assert.throws(() => ring.registerBuffers(wrong), { code: 'ERR_OUT_OF_RANGE' }, `${wrong}`)
  }
  for (const wrong of ['4', null, undefined, {}, [1], ['x'], [null]]) {
    assert.throws(
      () => ring.registerBuffers(wrong as never),
      { code: 'ERR_INVALID_ARG_TYPE' },
      JSON.stringify(wrong),
    )
  }
  assert.deepEqual(ring.buffers, [])
  ring.registerBuffers([room(8)])
  for (const wrong of [-1, 2, 0.5]) {
    assert.throws(() => ring.updateBuffers(wrong, [room(8)]), { code: 'ERR_OUT_OF_RANGE' })
  }
  assert.throws(() => ring.updateBuffers(0, [room(8), room(8)]), { code: 'EINVAL' })
})
