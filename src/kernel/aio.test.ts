import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { addressOf, errnoOf, IOCB_CMD, KernelAio, O, RWF } from './index.js'

const BLOCK = 4096
const folder = mkdtempSync(join(tmpdir(), 'sluice-aio-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')
writeFileSync(path, Buffer.alloc(8 * BLOCK, 'x'), { flush: true })

const noAio = (() => {
  try {
    new KernelAio(1).close()
    closeSync(openSync(path, O.RDONLY | O.DIRECT))
    return false
  } catch (error) {
    return `no kernel AIO or no Direct I/O here: ${(error as Error).message}`
  }
})()

/** Memory whose first byte stands on a block. */
function block(): { bytes: Uint8Array; low: number; high: number } {
  const memory = new ArrayBuffer(2 * BLOCK)
  const skip = (BLOCK - (addressOf(memory) % BLOCK)) % BLOCK
  const bytes = new Uint8Array(memory, skip, BLOCK)
  const address = addressOf(bytes)
  return { bytes, low: address | 0, high: Math.floor(address / 2 ** 32) }
}

test('what the kernel does not take is told with its mark, and what stands behind it is read', {
  skip: noAio,
}, () => {
  const aio = new KernelAio(8)
  const fd = openSync(path, O.RDONLY | O.DIRECT)
  const targets = [block(), block(), block(), block()]
  for (const [index, { low, high }] of targets.entries()) {
    const descriptor = index === 1 || index === 2 ? -1 : fd
    aio.push(IOCB_CMD.PREAD, 100 + index, descriptor, low, high, BLOCK, index * BLOCK, 0, RWF.NOWAIT)
  }
  const refused: number[][] = []
  const calls = aio.submit((mark, error) => refused.push([mark, error]))
  const bad = -errnoOf('EBADF')
  assert.deepEqual(refused, [
    [101, bad],
    [102, bad],
  ])
  assert.equal(calls, 4, 'the first one, either refusal, the last one')
  assert.equal(aio.inFlight, 2)
  const seen: number[][] = []
  while (aio.inFlight > 0) aio.reap((mark, result) => seen.push([mark, result]))
  seen.sort()
  assert.deepEqual(seen, [
    [100, BLOCK],
    [103, BLOCK],
  ])
  assert.equal(targets[3]?.bytes[BLOCK - 1], 'x'.charCodeAt(0))
  closeSync(fd)
  aio.close()
})

test('it is full with as many as it was made for, and closing waits for them', { skip: noAio }, () => {
  const before = readdirSync('/proc/self/fd').length
  const aio = new KernelAio(2)
  const fd = openSync(path, O.RDONLY | O.DIRECT)
  const targets = [block(), block()]
  for (const [mark, { low, high }] of targets.entries()) {
    assert.equal(aio.full, false)
    aio.push(IOCB_CMD.PREAD, mark, fd, low, high, BLOCK, 0, 0, 0)
  }
  assert.equal(aio.full, true)
  assert.equal(
    aio.submit(() => assert.fail('none is refused')),
    1,
  )
  assert.equal(aio.full, true)
  closeSync(fd)
  aio.close()
  aio.close()
  assert.ok(targets.every(({ bytes }) => bytes.every(byte => byte === 'x'.charCodeAt(0))))
  assert.equal(readdirSync('/proc/self/fd').length, before)
})

test('a context that the kernel does not give is a system error and leaves nothing open', {
  skip: noAio,
}, () => {
  const before = readdirSync('/proc/self/fd').length
  assert.throws(() => new KernelAio(2 ** 22), { syscall: 'io_setup' })
  assert.equal(readdirSync('/proc/self/fd').length, before)
})
