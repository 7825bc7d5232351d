import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { addressOf, IORING_SETUP, IOSQE, syscall } from '../kernel/index.js'
import { prepareMsgRing, prepareNop, prepareRead, prepareReadAt, Ring } from './index.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-ring-closing-'))
after(() => rmSync(folder, { recursive: true, force: true }))

function pipe(): [number, number] {
  const ends = new Int32Array(new ArrayBuffer(8))
  assert.equal(syscall('pipe2', ends, 0), 0)
  return [ends[0], ends[1]]
}

test('messages of another ring do not count as ends of this one’s operations when it closes', async () => {
  const READS = 32
  const BYTES = 2 ** 20
  const path = join(folder, 'ones')
  writeFileSync(path, new Uint8Array(READS * BYTES).fill(1))
  const fd = openSync(path, 'r')
  const ring = new Ring({ entries: READS, messages: true, workers: { bounded: READS, unbounded: 1 } })
  using sender = new Ring({ entries: 2 * READS })
  const memory = new Uint8Array(READS * BYTES)
  for (let index = 0; index < READS; index++) {
    const address = addressOf(memory) + index * BYTES
    assert.ok(prepareReadAt(ring.submissions, fd, address, BYTES, index * BYTES, index))
    ring.submissions.mark(IOSQE.ASYNC)
  }
  ring.submit()
  for (let index = 0; index < 2 * READS; index++) {
    assert.ok(prepareMsgRing(sender.submissions, ring.fd, 0, 1, 0, index))
  }
  sender.submit(2 * READS)
  ring.close()
  const ends = () => Array.from({ length: READS }, (_, index) => memory[(index + 1) * BYTES - 1]).join('')
  const closed = ends()
  await setTimeout(200)
  assert.equal(ends(), closed)
  closeSync(fd)
})

test('a ring that waits for messages closes although none comes', () => {
  const [reading, writing] = pipe()
  const ring = new Ring({ messages: true })
  const byte = new Uint8Array(new ArrayBuffer(128))
  assert.ok(prepareRead(ring.submissions, reading, byte, -1, 1))
  ring.submit()
  ring.close()
  assert.equal(ring.isOpen, false)
  closeSync(writing)
  closeSync(reading)
})

test('a polled ring that is closed at once has done or cancelled what it was given', () => {
  for (let round = 0; round < 20; round++) {
    const [reading, writing] = pipe()
    const ring = new Ring({ mode: 'sqpoll', entries: 256 })
    const byte = new Uint8Array(new ArrayBuffer(128))
    for (let index = 0; index < 255; index++) assert.ok(prepareNop(ring.submissions, index))
    assert.ok(prepareRead(ring.submissions, reading, byte, -1, 1))
    ring.submit()
    ring.close()
    syscall('write', writing, Uint8Array.of(1, ...new Uint8Array(100)), 1)
    assert.equal(byte[0], 0)
    closeSync(writing)
    closeSync(reading)
  }
})

test('a ring that has not been enabled closes', () => {
  const ring = new Ring({ flags: IORING_SETUP.R_DISABLED, messages: true })
  prepareNop(ring.submissions, 1)
  assert.throws(() => ring.submit(), { code: 'EBADFD' })
  ring.close()
  assert.equal(ring.isOpen, false)
})
