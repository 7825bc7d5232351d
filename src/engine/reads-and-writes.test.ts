import assert from 'node:assert/strict'
import { readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { AT, IORING_OP, iovecs, O, pathBytes, RWF, STATX, StatxView, syscall } from '../kernel/index.js'
import {
  addFlags,
  prepareClose,
  prepareFallocate,
  prepareFsync,
  prepareFtruncate,
  prepareMkdirAt,
  prepareOpenAt,
  prepareReadv,
  prepareRenameAt,
  prepareStatx,
  prepareSymlinkAt,
  prepareUnlinkAt,
  prepareWritev,
} from '../ring/index.js'
import { bytesOf, driverTest, room, textOf } from './driver-test.test.support.js'

const PATTERN = Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * 31 + (index >> 8)) & 0xff)

driverTest('a read gives what the file holds, wherever it starts', async kit => {
  const engine = kit.engine()
  const fd = kit.file(PATTERN)
  const reads = Array.from({ length: 200 }, async (_, index) => {
    const position = index * 4999
    const buffer = room(4096)
    assert.equal(await engine.read(fd, buffer, 0, 4096, position), 4096)
    assert.deepEqual(buffer, PATTERN.slice(position, position + 4096))
  })
  await Promise.all(reads)
  assert.equal(engine.stats().bytes, 200 * 4096)
})

driverTest('a read touches no byte outside its part of the buffer', async kit => {
  const engine = kit.engine()
  const buffer = room(64).fill(0xee)
  assert.equal(await engine.read(kit.file('hello'), buffer, 8, 5, 0), 5)
  assert.equal(textOf(buffer.subarray(8, 13)), 'hello')
  assert.ok(buffer.subarray(0, 8).every(byte => byte === 0xee))
  assert.ok(buffer.subarray(13).every(byte => byte === 0xee))
})

driverTest('a read across the end is short, one behind it gives 0', async kit => {
  const engine = kit.engine()
  const fd = kit.file('hello')
  assert.equal(await engine.read(fd, room(64), 0, 64, 0), 5)
  assert.equal(await engine.read(fd, room(64), 0, 64, 3), 2)
  assert.equal(await engine.read(fd, room(64), 0, 64, 5), 0)
  assert.equal(await engine.read(fd, room(64), 0, 64, 2 ** 40), 0)
  assert.equal(await engine.read(fd, room(64), 0, 0, 0), 0)
})

driverTest("position -1 is the file's own, and moves", async kit => {
  const engine = kit.engine()
  const fd = kit.file('hello, world')
  const buffer = room(5)
  assert.equal(await engine.read(fd, buffer, 0, 5, -1), 5)
  assert.equal(textOf(buffer), 'hello')
  assert.equal(await engine.write(fd, bytesOf('!'), 0, 1, -1), 1)
  assert.equal(await engine.read(fd, buffer, 0, 5, -1), 5)
  assert.equal(textOf(buffer), ' worl')
  assert.equal(await engine.read(fd, buffer, 0, 5, 0), 5, "a position leaves the file's own alone")
  assert.equal(await engine.read(fd, buffer, 0, 5, -1), 1)
})

driverTest('a write is there for whoever reads', async kit => {
  const engine = kit.engine()
  const fd = kit.file()
  const writes = Array.from({ length: 64 }, (_, index) => {
    const part = room(8192)
    part.set(PATTERN.subarray(index * 8192, (index + 1) * 8192))
    return engine.write(fd, part, 0, 8192, index * 8192)
  })
  assert.deepEqual(await Promise.all(writes), new Array(64).fill(8192))
  assert.deepEqual(readFileSync(`/proc/self/fd/${fd}`), Buffer.from(PATTERN.subarray(0, 64 * 8192)))
})

driverTest("a failure is Node's error", async kit => {
  const engine = kit.engine()
  const {
    message,
    code,
    errno,
    syscall: call,
  } = await engine.read(2 ** 30, room(8), 0, 8, 0).then(
    () => assert.fail(),
    error => error,
  )
  assert.deepEqual(
    { message, code, errno, call },
    { message: 'EBADF: bad file descriptor, read', code: 'EBADF', errno: -9, call: 'read' },
  )
  const folder = kit.owns(syscall('openat', AT.FDCWD, pathBytes(kit.folder()), O.RDONLY))
  await assert.rejects(engine.read(folder, room(8), 0, 8, 0), { code: 'EISDIR' })
  const reader = kit.pipe()[0]
  await assert.rejects(engine.write(reader, room(8), 0, 8, -1), { code: 'EBADF' })
})

driverTest('vectors are filled and written one after another', async kit => {
  const engine = kit.engine()
  const fd = kit.file('0123456789')
  const parts = [room(3), room(0), room(4), room(64)]
  const vectors = iovecs(parts)
  const options = { syscall: 'readv', held: [parts, vectors] }
  assert.equal(await engine.run((queue, id) => prepareReadv(queue, fd, vectors, 1, id), options), 9)
  assert.deepEqual(parts.map(textOf).join('|').replaceAll('\0', ''), '123||4567|89')
  const out = [bytesOf('ab'), bytesOf('cde')]
  const outVectors = iovecs(out)
  const write = { syscall: 'writev', held: [out, outVectors] }
  assert.equal(await engine.run((queue, id) => prepareWritev(queue, fd, outVectors, 8, id), write), 5)
  assert.equal(readFileSync(`/proc/self/fd/${fd}`, 'utf8'), '01234567abcde')
})

driverTest('RWF_NOWAIT is kept: what would wait fails', async kit => {
  const engine = kit.engine()
  const [reader] = kit.pipe()
  const part = room(8)
  const vectors = iovecs([part])
  const prepare = (queue: Parameters<typeof prepareReadv>[0], id: number) => {
    const prepared = prepareReadv(queue, reader, vectors, -1, id)
    addFlags(queue, RWF.NOWAIT)
    return prepared
  }
  await assert.rejects(engine.run(prepare, { syscall: 'readv', held: [part, vectors] }), { code: 'EAGAIN' })
})

driverTest('operations by name do what their system calls do', async kit => {
  const engine = kit.engine()
  const folder = kit.folder()
  const at = (name: string) => pathBytes(join(folder, name))
  const run = (syscall: string, prepare: Parameters<typeof engine.run>[0], held: unknown) =>
    engine.run<number>(prepare, { syscall, held })
  const [a, b, c, d] = [at('a'), at('b'), at('c'), at('d')]
  const fd = await run(
    'open',
    (queue, id) => prepareOpenAt(queue, AT.FDCWD, a, O.RDWR | O.CREAT, 0o600, id),
    a,
  )
  kit.owns(fd)
  await run('fallocate', (queue, id) => prepareFallocate(queue, fd, 0, 0, 5000, id), undefined)
  await run('ftruncate', (queue, id) => prepareFtruncate(queue, fd, 3000, id), undefined)
  await run('fsync', (queue, id) => prepareFsync(queue, fd, 0, id), undefined)
  const stats = new StatxView()
  const answer = new Uint8Array(stats.buffer)
  await run('statx', (queue, id) => prepareStatx(queue, AT.FDCWD, a, 0, STATX.BASIC_STATS, answer, id), [
    a,
    answer,
  ])
  assert.equal(stats.size, 3000)
  await run('rename', (queue, id) => prepareRenameAt(queue, AT.FDCWD, a, AT.FDCWD, b, 0, id), [a, b])
  await run('mkdir', (queue, id) => prepareMkdirAt(queue, AT.FDCWD, c, 0o700, id), c)
  await run('symlink', (queue, id) => prepareSymlinkAt(queue, b, AT.FDCWD, d, id), [b, d])
  assert.equal(readFileSync(join(folder, 'd')).length, 3000)
  await run('unlink', (queue, id) => prepareUnlinkAt(queue, AT.FDCWD, d, 0, id), d)
  await run('rmdir', (queue, id) => prepareUnlinkAt(queue, AT.FDCWD, c, AT.REMOVEDIR, id), c)
  await run('close', (queue, id) => prepareClose(queue, fd, id), undefined)
  kit.disowns(fd)
  await assert.rejects(engine.read(fd, room(1), 0, 1, 0), { code: 'EBADF' })
  await assert.rejects(
    run('open', (queue, id) => prepareOpenAt(queue, AT.FDCWD, a, O.RDONLY, 0, id), a),
    { code: 'ENOENT' },
  )
})

driverTest('a pipe gives what comes, in the order of asking', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  const buffers = Array.from({ length: 5 }, () => room(4))
  const reads = buffers.map(buffer => engine.read(reader, buffer, 0, 4, -1))
  for (const word of ['zero', 'one!', 'two!', 'tree', 'four']) {
    assert.equal(await engine.write(writer, bytesOf(word), 0, 4, -1), 4)
  }
  assert.deepEqual(await Promise.all(reads), [4, 4, 4, 4, 4])
  // The kernel wakes its waiters in any order; ours keep theirs.
  const words = buffers.map(textOf)
  assert.deepEqual(words.toSorted(), ['four', 'one!', 'tree', 'two!', 'zero'])
  if (kit.driver === 'epoll') assert.deepEqual(words, ['zero', 'one!', 'two!', 'tree', 'four'])
})

driverTest('a full pipe holds a write back until there is room', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  const piece = room(65536)
  assert.equal(writeSync(writer, piece), 65536)
  let written = -1
  const write = engine.write(writer, bytesOf('more'), 0, 4, -1).then(bytes => {
    written = bytes as number
  })
  const other = room(1)
  await engine.read(kit.file('x'), other, 0, 1, 0)
  assert.equal(written, -1)
  assert.equal(readSync(reader, piece), 65536)
  await write
  assert.equal(written, 4)
})

driverTest('the end of a pipe is 0, its loss EPIPE', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  const read = engine.read(reader, room(8), 0, 8, -1)
  kit.closes(writer)
  assert.equal(await read, 0)
  const [reader2, writer2] = kit.pipe()
  kit.closes(reader2)
  await assert.rejects(engine.write(writer2, room(8), 0, 8, -1), { code: 'EPIPE' })
})

driverTest('what cannot be done completes with an error, and never hangs', async kit => {
  const engine = kit.engine()
  assert.equal(engine.supports(255), false)
  const prepare = (queue: Parameters<typeof prepareFsync>[0], id: number) => {
    const prepared = prepareFsync(queue, 0, 0, id)
    queue.words[queue.last] = 255
    return prepared
  }
  await assert.rejects(engine.run(prepare, { syscall: 'none' }), { code: 'EINVAL' })
  assert.equal(engine.supports(IORING_OP.READ), true)
})
