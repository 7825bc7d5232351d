import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { cacheLineInstruction, flushCacheLines } from '../kernel/index.js'
import { Mapping } from '../memory/index.js'
import { MappedFile } from './mapped-file.js'

let folder: string

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-mapped-'))
})

after(() => fs.rmSync(folder, { recursive: true }))

function make(name: string, content: string | Buffer): string {
  const file = path.join(folder, name)
  fs.writeFileSync(file, content)
  return file
}

test('what is written to the memory is in the file, and is synced off the event loop', async () => {
  const file = make('written', 'hello world')
  await using mapped = await MappedFile.open(file, { access: 'write' })
  mapped.bytes[0] = 'J'.charCodeAt(0)
  mapped.write(6, Buffer.from('there'))
  await mapped.sync()
  assert.equal(fs.readFileSync(file, 'utf8'), 'Jello there')
})

test('a private mapping keeps its changes to itself', async () => {
  const file = make('private', 'hello')
  await using mapped = await MappedFile.open(file, { access: 'write', shared: false })
  mapped.bytes.set(Buffer.from('JELLO'))
  const copy = Buffer.alloc(5)
  mapped.read(0, copy)
  assert.equal(copy.toString(), 'JELLO')
  assert.equal(fs.readFileSync(file, 'utf8'), 'hello')
})

test('reading or writing where the file has been truncated is an error, not the end of the process', async () => {
  const file = make('truncated', Buffer.alloc(16384, 'x'))
  await using mapped = await MappedFile.open(file, { access: 'write' })
  fs.truncateSync(file, 4096)
  const target = Buffer.alloc(8192)
  assert.throws(() => mapped.read(0, target), { code: 'ERR_SLUICE_SHORT', bytes: 4096 })
  assert.throws(() => mapped.read(8192, target), { code: 'ERR_SLUICE_SHORT', bytes: 0 })
  assert.throws(() => mapped.write(12288, Buffer.from('y')), { code: 'ERR_SLUICE_SHORT', bytes: 0 })
  assert.equal(target[4095], 'x'.charCodeAt(0))
})

test('writing to a file that is mapped for reading is an error', async () => {
  const file = make('read-only', 'hello')
  await using mapped = await MappedFile.open(file)
  assert.throws(() => mapped.write(0, Buffer.from('J')), { code: 'EACCES', syscall: 'write', path: file })
  assert.equal(fs.readFileSync(file, 'utf8'), 'hello')
})

test('an empty file cannot be mapped, and leaves no descriptor', async () => {
  const file = make('empty', '')
  const descriptors = () => fs.readdirSync('/proc/self/fd').length
  const count = descriptors()
  await assert.rejects(MappedFile.open(file), { code: 'ERR_OUT_OF_RANGE' })
  assert.equal(descriptors(), count)
})

test('views are empty once it is unmapped, and everything says that it is closed', async () => {
  const mapped = await MappedFile.open(make('unmapped', 'hello'), { access: 'write' })
  const { bytes } = mapped
  const part = bytes.subarray(1, 3)
  await mapped.unmap()
  await mapped.unmap()
  assert.deepEqual([bytes.length, part.length, mapped.length, mapped.closed], [0, 0, 0, true])
  for (const call of [() => mapped.read(0, Buffer.alloc(1)), () => mapped.flush(0, 0), () => mapped.lock()]) {
    assert.throws(call, { code: 'ERR_SLUICE_CLOSED' })
  }
  await assert.rejects(mapped.sync(0, 0), { code: 'ERR_SLUICE_CLOSED' })
})

test('memory that is being synced outlives its unmapping', async () => {
  const file = make('synced', Buffer.alloc(1 << 20))
  const mapped = await MappedFile.open(file, { access: 'write' })
  mapped.bytes.fill(7)
  const synced = mapped.sync()
  await mapped.unmap()
  await synced
  assert.ok(fs.readFileSync(file).every(byte => byte === 7))
})

test('it grows and shrinks with its file', async () => {
  const file = make('resized', 'hello')
  await using mapped = await MappedFile.open(file, { access: 'write' })
  const before = mapped.bytes
  await mapped.resize(10000)
  assert.deepEqual([before.length, mapped.length, fs.statSync(file).size], [0, 10000, 10000])
  mapped.bytes[9999] = 1
  await mapped.resize(3)
  assert.equal(Buffer.from(mapped.bytes).toString(), 'hel')
})

test('a range beyond 4 GiB is mapped where it lies', async () => {
  const file = make('huge', '')
  const at = 5 * 2 ** 30 + 100
  fs.truncateSync(file, at + 10)
  await using mapped = await MappedFile.open(file, { access: 'write', offset: at, length: 10 })
  mapped.bytes.set(Buffer.from('far away!!'))
  await mapped.sync()
  const handle = fs.openSync(file, 'r')
  const found = Buffer.alloc(10)
  fs.readSync(handle, found, 0, 10, at)
  fs.closeSync(handle)
  assert.equal(found.toString(), 'far away!!')
})

test('where the file system is not DAX, asking for it says so', async () => {
  const file = make('dax', 'hello')
  await assert.rejects(MappedFile.open(file, { access: 'write', dax: true }), {
    code: 'ERR_SLUICE_UNSUPPORTED',
    message: /not DAX/,
  })
  await using mapped = await MappedFile.open(file, { access: 'write' })
  assert.throws(() => mapped.flush(), { code: 'ERR_SLUICE_UNSUPPORTED', message: /sync\(\)/ })
})

test('cache lines are written back without a change to what they hold', () => {
  assert.notEqual(cacheLineInstruction(), '')
  using memory = new Mapping({ length: 8192 })
  memory.bytes.fill(3)
  flushCacheLines(memory.address + 10, 5000)
  flushCacheLines(memory.address, 0)
  assert.ok(memory.bytes.every(byte => byte === 3))
})

test('wrong ranges and types are refused', async () => {
  await using mapped = await MappedFile.open(make('checked', 'hello'), { access: 'write' })
  assert.throws(() => mapped.read(3, Buffer.alloc(3)), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => mapped.read(-1, Buffer.alloc(1)), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => mapped.write(2 ** 60, Buffer.alloc(1)), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => mapped.read(0, 'x' as unknown as Buffer), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(mapped.sync(0, 99), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(mapped.resize(0), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(MappedFile.open(path.join(folder, 'absent')), { code: 'ENOENT' })
})
