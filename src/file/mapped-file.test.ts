import assert from 'node:assert/strict'
import { constants } from 'node:buffer'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { cacheLineInstruction, cachestat, flushCacheLines, syscall } from '../kernel/index.js'
import { Mapping } from '../memory/index.js'
import type { FileSource } from './file-handle.js'
import { MappedFile } from './mapped-file.js'
import { open } from './open.js'

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

test('nothing has been written back yet when sync() returns its promise', async t => {
  const size = 4 << 20
  const file = make('later', Buffer.alloc(size))
  await using mapped = await MappedFile.open(file, { access: 'write' })
  const fd = fs.openSync(file, 'r')
  t.after(() => fs.closeSync(fd))
  const unwritten = () => {
    const stat = cachestat(fd, 0, size)
    return typeof stat === 'number' ? undefined : stat.dirty + stat.writeback
  }
  mapped.bytes.fill(1)
  if (unwritten() === undefined) return t.skip('changed pages are counted by cachestat(2), Linux 6.5')
  if (unwritten() === 0) return t.skip('the temporary folder is kept in memory')
  // Once is enough: on another thread it may be over at any moment, on this one it always is.
  for (let found = 0, seed = 2; found === 0; seed++) {
    assert.ok(seed < 50, 'it has always been over')
    mapped.bytes.fill(seed)
    const synced = mapped.sync()
    found = unwritten() ?? 0
    await synced
    assert.equal(unwritten(), 0)
  }
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

test('views are empty before their file is cut, so that nobody touches what is gone', async () => {
  const file = make('cut', Buffer.alloc(65536, 'x'))
  await using mapped = await MappedFile.open(file, { access: 'write' })
  const before = mapped.bytes
  const cut = mapped.resize(5000)
  while (before.length > 0) {
    assert.equal(fs.statSync(file).size, 65536)
    await new Promise(setImmediate)
  }
  await cut
  assert.deepEqual([mapped.length, fs.statSync(file).size], [5000, 5000])
  assert.equal(mapped.bytes[4999], 'x'.charCodeAt(0))
})

test('several changes of length at once are carried out in their order', async () => {
  const file = make('resized-at-once', 'hello')
  await using mapped = await MappedFile.open(file, { access: 'write', length: 2 })
  const lengths = [100_000, 3, 50_000, 1, 20_000, 7]
  await Promise.all(lengths.map(length => mapped.resize(length)))
  assert.deepEqual([mapped.length, fs.statSync(file).size], [7, 7])
  assert.deepEqual(Buffer.from(mapped.bytes), Buffer.from('h\0\0\0\0\0\0'))
})

test('a length that cannot be set leaves the mapping as it was', async () => {
  const file = make('sealed', Buffer.alloc(8192, 'x'))
  await using mapped = await MappedFile.open(file, { access: 'write' })
  await assert.rejects(mapped.resize(2 ** 52), { syscall: 'ftruncate' })
  assert.equal(mapped.length, 8192)
  assert.ok(mapped.bytes.every(byte => byte === 'x'.charCodeAt(0)))
  fs.truncateSync(file, 4096)
  await mapped.resize(6000)
  assert.equal(mapped.bytes[5999], 0)
})

test('a mapping that is private, or only for reading, keeps its length', async () => {
  const file = make('kept', 'hello')
  await using own = await MappedFile.open(file, { access: 'write', shared: false })
  own.bytes[0] = 1
  await assert.rejects(own.resize(3), { code: 'ERR_SLUICE_UNSUPPORTED' })
  await using read = await MappedFile.open(file)
  await assert.rejects(read.resize(3), { code: 'EACCES' })
  assert.deepEqual([own.bytes[0], read.length], [1, 5])
  assert.equal(fs.readFileSync(file, 'utf8'), 'hello')
})

test('nothing that is mapped for reading ends the process when it is written to', async () => {
  const file = make('stray', Buffer.alloc(8192, 'x'))
  await using mapped = await MappedFile.open(file, { access: 'read', shared: true })
  mapped.bytes[0] = 'J'.charCodeAt(0)
  const handle = fs.openSync(file, 'r+')
  fs.writeSync(handle, 'seen', 4096)
  fs.closeSync(handle)
  assert.equal(Buffer.from(mapped.bytes.subarray(4096, 4100)).toString(), 'seen')
  assert.equal(fs.readFileSync(file)[0], 'x'.charCodeAt(0))
  await assert.rejects(MappedFile.open(file, { dax: true }), { code: 'ERR_SLUICE_UNSUPPORTED' })
})

test('a file that is open already can be mapped, and closed by its owner', async () => {
  const file = make('open', 'hello')
  const fd = fs.openSync(file, 'r+')
  const owners: [FileSource, () => unknown][] = [
    [fd, () => fs.closeSync(fd)],
    ...(await Promise.all(
      [fs.promises.open(file, 'r+'), open(file, 'r+')].map(
        async (opening): Promise<[FileSource, () => unknown]> => {
          const handle = await opening
          return [handle as FileSource, () => handle.close()]
        },
      ),
    )),
  ]
  for (const [source, close] of owners) {
    await using mapped = await MappedFile.open(source, { access: 'write' })
    await close()
    mapped.bytes[0] = 'J'.charCodeAt(0)
    await mapped.resize(6)
    await mapped.sync()
    fs.truncateSync(file, 1)
    assert.throws(() => mapped.read(5000, Buffer.alloc(1)), { code: 'ERR_OUT_OF_RANGE' })
    assert.equal(fs.readFileSync(file, 'utf8')[0], 'J')
  }
  const closed = await open(file)
  await closed.close()
  await assert.rejects(MappedFile.open(closed), { code: 'EBADF' })
  await assert.rejects(MappedFile.open({} as never), { code: 'ERR_INVALID_ARG_TYPE' })
  await using byUrl = await MappedFile.open(pathToFileURL(file))
  assert.throws(() => byUrl.write(0, Buffer.from('x')), { code: 'EACCES', path: file })
})

test('memory without a name is a file to map', async t => {
  const fd = syscall('memfd_create', new Uint8Array(new TextEncoder().encode('sluice\0')), 1)
  assert.ok(fd >= 0)
  t.after(() => fs.closeSync(fd))
  fs.ftruncateSync(fd, 8192)
  await using mapped = await MappedFile.open(fd, { access: 'write' })
  mapped.bytes[8191] = 9
  const byte = Buffer.alloc(1)
  fs.readSync(fd, byte, 0, 1, 8191)
  assert.equal(byte[0], 9)
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

test('a range longer than 4 GiB is one mapping', {
  skip: constants.MAX_LENGTH < 6 * 2 ** 30 && 'an ArrayBuffer of this Node holds no more than 4 GiB',
}, async () => {
  const file = make('long', '')
  const size = 5 * 2 ** 30
  fs.truncateSync(file, size + 100)
  await using mapped = await MappedFile.open(file, { access: 'write', offset: 100 })
  assert.equal(mapped.length, size)
  const places = [0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, size - 5]
  for (const [index, at] of places.entries()) mapped.bytes[at] = index + 1
  mapped.write(size - 4, Buffer.from('last'))
  await mapped.sync(size - 10)
  const found = Buffer.alloc(6)
  mapped.read(size - 6, found)
  assert.deepEqual(found, Buffer.from('\0\u0005last'))
  const handle = fs.openSync(file, 'r')
  for (const [index, at] of places.entries()) {
    fs.readSync(handle, found, 0, 1, at + 100)
    assert.equal(found[0], index + 1)
  }
  fs.closeSync(handle)
  assert.ok(mapped.resident() < 2 ** 30)
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
