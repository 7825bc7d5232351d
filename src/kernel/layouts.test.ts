import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressOf,
  controlSpace,
  descriptorControl,
  futexWaiters,
  iovecs,
  MSGHDR,
  messageHeader,
  openHow,
  pathBytes,
  receivedDescriptors,
  setIovec,
  setTimespec,
  timespec,
} from './index.js'

/** The 64-bit fields of a block. */
const fields = (block: ArrayBufferView) => [...new BigUint64Array(block.buffer).map(BigInt)].map(Number)

test('iovecs point to each buffer with its length', () => {
  const slab = new Uint8Array(100)
  const parts = [slab.subarray(3, 10), new Float64Array(4), new Uint8Array(0)]
  const expected = parts.flatMap(part => [addressOf(part), part.byteLength])
  assert.deepEqual(fields(iovecs(parts)), expected)
  assert.equal(iovecs([]).byteLength, 0)
})

test('an iovec holds addresses and lengths beyond 32 bits', () => {
  const block = iovecs([new Uint8Array(1), new Uint8Array(1)])
  setIovec(block, 1, 0x7f12_3456_7000, 2 ** 33 + 1)
  assert.deepEqual(fields(block).slice(2), [0x7f12_3456_7000, 2 ** 33 + 1])
})

test('iovecs refuse a detached buffer', () => {
  const buffer = new Uint8Array(10)
  structuredClone(buffer.buffer, { transfer: [buffer.buffer] })
  assert.throws(() => iovecs([buffer]), TypeError)
})

test('a timespec splits milliseconds, and never reaches a full second of nanoseconds', () => {
  const cases: [number, number, number][] = [
    [0, 0, 0],
    [1, 0, 1e6],
    [1500.25, 1, 500_250_000],
    [999.9999999, 1, 0],
    [2 ** 45, 35_184_372_088, 832_000_000],
  ]
  for (const [milliseconds, seconds, nanoseconds] of cases) {
    assert.deepEqual(fields(timespec(milliseconds)), [seconds, nanoseconds], `${milliseconds} ms`)
  }
  const block = timespec(2 ** 45)
  setTimespec(block, 5)
  assert.deepEqual(fields(block), [0, 5e6])
})

test('an open_how holds flags, mode and resolve', () => {
  assert.deepEqual(fields(openHow(0o2000001, 0o644, 8)), [0o2000001, 0o644, 8])
  assert.deepEqual(fields(openHow(1)), [1, 0, 0])
})

test('futex waiters hold value, address and flags', () => {
  const futex = new Int32Array(2)
  const block = futexWaiters([
    { futex, value: 7 },
    { futex: futex.subarray(1), value: 2 ** 32 - 1, flags: 2 },
  ])
  assert.deepEqual(fields(block), [7, addressOf(futex), 130, 2 ** 32 - 1, addressOf(futex) + 4, 2])
})

test('a message header points to what it is given and is zero elsewhere', () => {
  const name = new Uint8Array(16)
  const control = new Uint8Array(24)
  const vectors = iovecs([new Uint8Array(1), new Uint8Array(1)])
  const whole = fields(messageHeader({ name, vectors, control }))
  assert.deepEqual(whole, [addressOf(name), 16, addressOf(vectors), 2, addressOf(control), 24, 0])
  const bare = messageHeader({ vectors })
  assert.deepEqual(fields(bare), [0, 0, addressOf(vectors), 2, 0, 0, 0])
  assert.equal(bare.byteLength, MSGHDR.SIZE)
})

test('descriptors survive their way through control data', () => {
  for (const fds of [[], [3], [3, 4], [3, 4, 5, 1000]]) {
    const control = descriptorControl(fds)
    assert.equal(control.byteLength, controlSpace(fds.length * 4))
    assert.deepEqual(receivedDescriptors(control), fds)
  }
})

test('control data that is cut or malformed gives no descriptor that was not sent', () => {
  const control = descriptorControl([3, 4])
  for (let length = 0; length < 24; length++) assert.deepEqual(receivedDescriptors(control, length), [])
  assert.deepEqual(receivedDescriptors(new Uint8Array(64)), [])
  assert.deepEqual(receivedDescriptors(new Uint8Array(64).fill(0xff)), [])
  control[12] = 2
  assert.deepEqual(receivedDescriptors(control), [], 'credentials are no descriptors')
})

test('a path ends in one NUL and may hold none', () => {
  assert.deepEqual([...pathBytes('ä')], [0xc3, 0xa4, 0])
  assert.deepEqual([...pathBytes(Uint8Array.of(0xff, 0x41))], [0xff, 0x41, 0])
  assert.throws(() => pathBytes('a\0b'), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => pathBytes(Uint8Array.of(0)), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => pathBytes(5 as never), { code: 'ERR_INVALID_ARG_TYPE' })
})
