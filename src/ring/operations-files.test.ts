import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import {
  AT,
  errnoOf,
  IORING_FILE_INDEX_ALLOC,
  IOSQE,
  iovecs,
  O,
  openHow,
  POSIX_FADV,
  pathBytes,
  RESOLVE,
  RWF,
  STATX_SIZE,
  SYNC_FILE_RANGE,
} from '../kernel/index.js'
import * as ring from './index.js'
import { bytesOf, operationTest, room, textOf, type Workbench } from './operation.test.support.js'

const TEXT = 'io_uring in TypeScript'

/** A file with {@link TEXT} in it, open for reading and writing. */
function makeFile(bench: Workbench, text = TEXT): { fd: number; path: string } {
  const path = join(bench.directory(), 'file')
  fs.writeFileSync(path, text)
  return { fd: bench.owns(fs.openSync(path, 'r+')), path }
}

operationTest('completes with 0, or with what it is told', ['NOP'], (bench, skip) => {
  assert.deepEqual(
    bench.run(queue => ring.prepareNop(queue, 2 ** 53 - 1)),
    {
      userData: 2 ** 53 - 1,
      result: 0,
      flags: 0,
    },
  )
  const { result } = bench.run(queue => ring.prepareNopWithResult(queue, -7, 1))
  if (result === -errnoOf('EINVAL')) return skip('a result to inject needs kernel 6.10')
  assert.equal(result, -7)
})

operationTest('reads and writes at a position and at the file’s own', ['READ', 'WRITE'], bench => {
  const { fd, path } = makeFile(bench)
  const head = room(2)
  assert.equal(
    bench.succeed(queue => ring.prepareRead(queue, fd, head, 0, 1)),
    2,
  )
  assert.equal(textOf(head), 'io')
  const far = 2 ** 33 + 5
  assert.equal(
    bench.succeed(queue => ring.prepareWrite(queue, fd, bytesOf('end'), far, 1)),
    3,
  )
  assert.equal(fs.statSync(path).size, far + 3)
  const own = room(5)
  assert.equal(
    bench.succeed(queue => ring.prepareRead(queue, fd, own, -1, 1)),
    5,
  )
  assert.equal(
    bench.succeed(queue => ring.prepareRead(queue, fd, own, -1, 1)),
    5,
  )
  assert.equal(textOf(own), TEXT.slice(5, 10))
  const past = bench.run(queue => ring.prepareRead(queue, fd, own, far + 3, 1))
  assert.equal(past.result, 0)
})

operationTest('moves several buffers at once', ['READV', 'WRITEV'], bench => {
  const { fd, path } = makeFile(bench)
  const out = [bytesOf('ab'), bytesOf('cde')]
  const outVectors = iovecs(out)
  assert.equal(
    bench.succeed(queue => ring.prepareWritev(queue, fd, outVectors, 1, 1)),
    5,
  )
  assert.equal(fs.readFileSync(path, 'utf8'), `iabcde${TEXT.slice(6)}`)
  const into = [room(1), room(4)]
  const vectors = iovecs(into)
  assert.equal(
    bench.succeed(queue => ring.prepareReadv(queue, fd, vectors, 0, 1)),
    5,
  )
  assert.deepEqual(into.map(textOf), ['i', 'abcd'])
})

operationTest('takes RWF flags by a modifier', ['READV'], bench => {
  const { fd } = makeFile(bench)
  const vectors = iovecs([room(4)])
  const { result } = bench.run(queue => {
    const taken = ring.prepareReadv(queue, fd, vectors, 0, 1)
    ring.addFlags(queue, RWF.NOWAIT)
    return taken
  })
  assert.ok(result === 4 || result === -errnoOf('EAGAIN') || result === -errnoOf('ENOTSUP'))
})

operationTest('moves parts of a registered buffer', ['READ_FIXED', 'WRITE_FIXED'], bench => {
  const { fd, path } = makeFile(bench)
  const slab = room(4096)
  bench.ring.registerBuffers([slab])
  const part = slab.subarray(100, 100 + TEXT.length)
  assert.equal(
    bench.succeed(queue => ring.prepareReadFixed(queue, fd, part, 0, 0, 1)),
    TEXT.length,
  )
  assert.equal(textOf(part), TEXT)
  assert.equal(
    bench.succeed(queue => ring.prepareWriteFixed(queue, fd, part, 0, 3, 1)),
    TEXT.length,
  )
  assert.equal(fs.readFileSync(path, 'utf8'), `io_${TEXT}`)
  const outside = bench.run(queue => ring.prepareReadFixed(queue, fd, room(64), 0, 0, 1))
  assert.equal(outside.result, -errnoOf('EFAULT'))
})

operationTest('moves scattered parts of a registered buffer', ['READV_FIXED', 'WRITEV_FIXED'], bench => {
  const { fd, path } = makeFile(bench)
  const slab = room(4096)
  bench.ring.registerBuffers([slab])
  const parts = iovecs([slab.subarray(0, 2), slab.subarray(1000, 1003)])
  assert.equal(
    bench.succeed(queue => ring.prepareReadvFixed(queue, fd, parts, 0, 0, 1)),
    5,
  )
  assert.equal(textOf(slab.subarray(1000, 1003)), '_ur')
  assert.equal(
    bench.succeed(queue => ring.prepareWritevFixed(queue, fd, parts, 0, 5, 1)),
    5,
  )
  assert.equal(fs.readFileSync(path, 'utf8').slice(5, 10), 'io_ur')
})

operationTest('opens, asks and closes', ['OPENAT', 'STATX', 'CLOSE'], bench => {
  const { path } = makeFile(bench)
  const name = pathBytes(path)
  const flags = O.RDONLY | O.CLOEXEC
  const fd = bench.succeed(queue => ring.prepareOpenAt(queue, AT.FDCWD, name, flags, 0, 1))
  assert.equal(fs.fstatSync(fd).size, TEXT.length)
  const statx = room(STATX_SIZE)
  bench.succeed(queue => ring.prepareStatx(queue, fd, pathBytes(''), AT.EMPTY_PATH, 0x7ff, statx, 1))
  assert.equal(new DataView(statx.buffer).getBigUint64(40, true), BigInt(TEXT.length))
  assert.equal(
    bench.succeed(queue => ring.prepareClose(queue, fd, 1)),
    0,
  )
  assert.throws(() => fs.fstatSync(fd), { code: 'EBADF' })
  const missing = bench.run(queue => ring.prepareOpenAt(queue, AT.FDCWD, pathBytes('/none'), flags, 0, 1))
  assert.equal(missing.result, -errnoOf('ENOENT'))
})

operationTest('opens below a directory only', ['OPENAT2'], bench => {
  const { path } = makeFile(bench)
  const directory = bench.owns(fs.openSync(join(path, '..'), 'r'))
  const how = openHow(O.RDONLY | O.CLOEXEC, 0, RESOLVE.BENEATH)
  bench.owns(bench.succeed(queue => ring.prepareOpenAt2(queue, directory, pathBytes('file'), how, 1)))
  const outside = bench.run(queue => ring.prepareOpenAt2(queue, directory, pathBytes('../x'), how, 1))
  assert.equal(outside.result, -errnoOf('EXDEV'))
})

operationTest('opens into slots, works there and empties them', ['OPENAT', 'OPENAT2', 'CLOSE'], bench => {
  const { path } = makeFile(bench)
  const name = pathBytes(path)
  bench.ring.registerFiles(4)
  const read = (slot: number) => {
    const into = room(2)
    const { result } = bench.run(queue => {
      const taken = ring.prepareRead(queue, slot, into, 0, 1)
      queue.mark(IOSQE.FIXED_FILE)
      return taken
    })
    return result === 2 ? textOf(into) : result
  }
  bench.succeed(queue => ring.prepareOpenAtDirect(queue, AT.FDCWD, name, O.RDONLY, 0, 2, 1))
  assert.equal(read(2), 'io')
  const how = openHow(O.RDONLY)
  const slot = bench.succeed(queue =>
    ring.prepareOpenAt2Direct(queue, AT.FDCWD, name, how, IORING_FILE_INDEX_ALLOC, 1),
  )
  assert.notEqual(slot, 2)
  assert.equal(read(slot), 'io')
  bench.succeed(queue => ring.prepareCloseDirect(queue, 2, 1))
  assert.equal(read(2), -errnoOf('EBADF'))
})

operationTest('changes registered files and installs one', ['FILES_UPDATE', 'FIXED_FD_INSTALL'], bench => {
  const { fd } = makeFile(bench)
  bench.ring.registerFiles(4)
  const fds = new Int32Array(new ArrayBuffer(4))
  fds[0] = fd
  assert.equal(
    bench.succeed(queue => ring.prepareFilesUpdate(queue, fds, 3, 1)),
    1,
  )
  const installed = bench.owns(bench.succeed(queue => ring.prepareFixedFdInstall(queue, 3, 0, 1)))
  assert.notEqual(installed, fd)
  assert.equal(fs.fstatSync(installed).ino, fs.fstatSync(fd).ino)
})

operationTest('reserves, cuts and advises', ['FALLOCATE', 'FTRUNCATE', 'FADVISE'], bench => {
  const { fd, path } = makeFile(bench)
  bench.succeed(queue => ring.prepareFallocate(queue, fd, 0, 0, 100_000, 1))
  assert.equal(fs.statSync(path).size, 100_000)
  bench.succeed(queue => ring.prepareFtruncate(queue, fd, 3, 1))
  assert.equal(fs.readFileSync(path, 'utf8'), 'io_')
  bench.succeed(queue => ring.prepareFadvise(queue, fd, 0, 0, POSIX_FADV.WILLNEED, 1))
  const wrong = bench.run(queue => ring.prepareFadvise(queue, fd, 0, 0, 99, 1))
  assert.equal(wrong.result, -errnoOf('EINVAL'))
})

operationTest('makes durable', ['FSYNC', 'SYNC_FILE_RANGE'], bench => {
  const { fd } = makeFile(bench)
  assert.equal(
    bench.succeed(queue => ring.prepareFsync(queue, fd, 0, 1)),
    0,
  )
  assert.equal(
    bench.succeed(queue => ring.prepareFdatasync(queue, fd, 1)),
    0,
  )
  assert.equal(
    bench.succeed(queue => ring.prepareFsyncRange(queue, fd, 0, 4096, 0, 1)),
    0,
  )
  const { result } = bench.run(queue =>
    ring.prepareSyncFileRange(queue, fd, 0, 0, SYNC_FILE_RANGE.WRITE | SYNC_FILE_RANGE.WAIT_AFTER, 1),
  )
  // tmpfs has no write-back of its own.
  assert.ok(result === 0 || result === -errnoOf('ESPIPE'))
})

operationTest('changes names', ['MKDIRAT', 'LINKAT', 'SYMLINKAT', 'RENAMEAT', 'UNLINKAT'], bench => {
  const { path } = makeFile(bench)
  const directory = bench.owns(fs.openSync(join(path, '..'), 'r'))
  const at = (name: string) => join(path, '..', name)
  const name = pathBytes
  bench.succeed(queue => ring.prepareMkdirAt(queue, directory, name('sub'), 0o700, 1))
  assert.equal(fs.statSync(at('sub')).mode & 0o777, 0o700)
  const sub = bench.owns(fs.openSync(at('sub'), 'r'))
  bench.succeed(queue => ring.prepareLinkAt(queue, directory, name('file'), sub, name('hard'), 0, 1))
  assert.equal(fs.statSync(at('sub/hard')).ino, fs.statSync(path).ino)
  bench.succeed(queue => ring.prepareSymlinkAt(queue, name('../file'), sub, name('soft'), 1))
  assert.equal(fs.readlinkSync(at('sub/soft')), '../file')
  bench.succeed(queue => ring.prepareRenameAt(queue, sub, name('hard'), directory, name('moved'), 0, 1))
  assert.deepEqual(fs.readdirSync(at('sub')), ['soft'])
  bench.succeed(queue => ring.prepareUnlinkAt(queue, sub, name('soft'), 0, 1))
  bench.succeed(queue => ring.prepareUnlinkAt(queue, directory, name('sub'), AT.REMOVEDIR, 1))
  assert.deepEqual(fs.readdirSync(at('.')).sort(), ['file', 'moved'])
})

operationTest('keeps attributes', ['SETXATTR', 'GETXATTR', 'FSETXATTR', 'FGETXATTR'], (bench, skip) => {
  const { fd, path } = makeFile(bench)
  const one = pathBytes('user.one')
  const two = pathBytes('user.two')
  const set = bench.run(queue => ring.prepareSetxattr(queue, pathBytes(path), one, bytesOf('1'), 0, 1))
  if (set.result === -errnoOf('ENOTSUP'))
    return skip('the file system of the temporary directory keeps no attributes')
  assert.equal(set.result, 0)
  bench.succeed(queue => ring.prepareFsetxattr(queue, fd, two, bytesOf('two'), 0, 1))
  const value = room(10)
  assert.equal(
    bench.succeed(queue => ring.prepareGetxattr(queue, pathBytes(path), two, value, 1)),
    3,
  )
  assert.equal(textOf(value.subarray(0, 3)), 'two')
  assert.equal(
    bench.succeed(queue => ring.prepareFgetxattr(queue, fd, one, value, 1)),
    1,
  )
  assert.equal(textOf(value.subarray(0, 1)), '1')
})
