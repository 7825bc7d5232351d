import assert from 'node:assert/strict'
import { constants, fsyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { alignedBuffer } from '../memory/index.js'
import { prepareNop, preparePollAdd, prepareRead, prepareReadFixed, Ring, type RingMode } from './index.js'
import { room } from './operation.test.support.js'
import { completion, fails, failure, MODES, reapAll, ringTest } from './ring.test.support.js'

const POLLIN = 1
const BLOCK = 4096
const MARK = 0x5a

for (const mode of MODES) {
  ringTest(`after a close with a read in flight nothing is written any more (${mode})`, stage => {
    const ring = new Ring({ entries: 4, mode })
    const [reading, writing] = stage.pipe()
    const bytes = room(8).fill(MARK)
    prepareRead(ring.submissions, reading, bytes, -1, 1)
    ring.submit()
    ring.close()
    writeSync(writing, 'too late')
    assert.deepEqual(bytes, room(8).fill(MARK))
    // The read is gone, not asleep: what was written is there for another.
    const other = stage.ring()
    prepareRead(other.submissions, reading, room(16), -1, 2)
    assert.equal(completion(other).result, 8)
  })
}

for (const mode of ['hosted', 'dedicated'] as RingMode[]) {
  ringTest(`a close waits for reads that the device is carrying out (${mode})`, stage => {
    const path = join(stage.directory(), 'file')
    const blocks = 64
    const file = stage.owns(openSync(path, 'w+'))
    writeSync(file, new Uint8Array(blocks * BLOCK).fill(1))
    fsyncSync(file)
    let direct: number
    try {
      direct = stage.owns(openSync(path, constants.O_RDONLY | constants.O_DIRECT))
    } catch (error) {
      return stage.skip(`no Direct I/O here: ${(error as Error).message}`)
    }
    for (let round = 0; round < 10; round++) {
      const ring = new Ring({ entries: blocks, mode })
      const bytes = alignedBuffer(blocks * BLOCK, BLOCK)
      for (let block = 0; block < blocks; block++) {
        const target = bytes.subarray(block * BLOCK, (block + 1) * BLOCK)
        prepareRead(ring.submissions, direct, target, block * BLOCK, block)
      }
      ring.submit()
      ring.close()
      const copy = Buffer.from(bytes)
      bytes.fill(MARK)
      fsyncSync(file)
      assert.ok(
        bytes.every(byte => byte === MARK),
        'the device wrote after the close',
      )
      assert.ok(copy.every(byte => byte === 0 || byte === 1))
    }
  })
}

ringTest('what was prepared and never submitted does not happen', stage => {
  const ring = new Ring({ entries: 4 })
  const [reading, writing] = stage.pipe()
  writeSync(writing, 'data')
  const bytes = room(4)
  prepareRead(ring.submissions, reading, bytes, -1, 1)
  ring.close()
  assert.deepEqual(bytes, room(4))
})

ringTest('a closed ring refuses everything, and closes again without complaint', stage => {
  const ring = new Ring({ entries: 4 })
  const [reading] = stage.pipe()
  prepareNop(ring.submissions, 1)
  ring.submit()
  ring.close()
  ring.close()
  ring[Symbol.dispose]()
  assert.equal(ring.isOpen, false)
  assert.equal(ring.inFlight, 0)
  assert.equal(prepareNop(ring.submissions, 2), false)
  assert.equal(ring.submissions.space, 0)
  assert.equal(ring.submissions.words.length, 0)
  assert.equal(ring.completions.ready, 0)
  assert.deepEqual(reapAll(ring), [])
  for (const [name, use] of Object.entries({
    submit: () => ring.submit(),
    'submit and wait': () => ring.submit(1, 10),
    resize: () => ring.resize(8),
    registerFiles: () => ring.registerFiles([reading]),
    registerBuffers: () => ring.registerBuffers([room(8)]),
    registerBufferRing: () => ring.registerBufferRing({ group: 1, entries: 1, bufferSize: 16 }),
    cancelNow: () => ring.cancelNow({ any: true }),
    register: () => ring.register(0, 0, 0),
  })) {
    assert.ok(
      fails('ERR_SLUICE_CLOSED', () => use()),
      name,
    )
  }
})

ringTest('a ring may be closed from within its own reaping', stage => {
  const ring = new Ring({ entries: 8, mode: 'dedicated' })
  const [reading] = stage.pipe()
  for (let index = 0; index < 4; index++) prepareNop(ring.submissions, index)
  preparePollAdd(ring.submissions, reading, POLLIN, 9)
  ring.submit(4)
  const seen: number[] = []
  const count = ring.reap(userData => {
    seen.push(userData)
    if (userData === 1) ring.close()
  })
  assert.deepEqual(seen, [0, 1])
  assert.equal(count, 2)
  assert.equal(ring.isOpen, false)
})

ringTest('completions that were not reaped are dropped by a close, however many', () => {
  const ring = new Ring({ entries: 16, completionEntries: 16 })
  for (let round = 0; round < 8; round++) {
    for (let index = 0; index < 16; index++) prepareNop(ring.submissions, index)
    ring.submit()
  }
  ring.close()
  assert.equal(ring.isOpen, false)
})

ringTest('a failed operation on a closed descriptor does not keep a close waiting', stage => {
  const ring = stage.ring()
  prepareRead(ring.submissions, -1, room(1), 0, 1)
  assert.equal(completion(ring).result, failure('EBADF'))
  ring.close()
  assert.equal(ring.isOpen, false)
})

ringTest('registered memory is let go with the ring', () => {
  const ring = new Ring({ entries: 4 })
  ring.registerBuffers([room(64)])
  const group = ring.registerBufferRing({ group: 3, entries: 2, bufferSize: 64 })
  prepareReadFixed(ring.submissions, -1, ring.buffers[0] as Uint8Array, 0, 0, 1)
  ring.close()
  assert.deepEqual(ring.buffers, [])
  assert.equal(group.isOpen, false)
})
