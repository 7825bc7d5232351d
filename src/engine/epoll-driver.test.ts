import assert from 'node:assert/strict'
import { openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AT, iovecs, O, POSIX_FADV, pathBytes, syscall } from '../kernel/index.js'
import {
  prepareCancel,
  prepareClose,
  prepareNop,
  prepareOpenAt,
  prepareRead,
  prepareReadFixed,
  prepareReadv,
  prepareRecvSelect,
  prepareWrite,
} from '../ring/index.js'
import { byUserData, DriverBench, type Step } from './driver-bench.test.support.js'
import { Kit, makeFifo, room } from './driver-test.test.support.js'

const EINVAL = -22
const EOPNOTSUPP = -95
const PATTERN = Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * 13 + (index >> 9)) & 0xff)

function epollTest(name: string, body: (bench: DriverBench, kit: Kit) => void | Promise<void>): void {
  test(name, async () => {
    const kit = new Kit('epoll')
    const bench = new DriverBench('epoll')
    try {
      await body(bench, kit)
    } finally {
      bench.driver.close()
      await kit.dispose()
    }
  })
}

/** Drops a part of a file from the page cache. */
function evict(fd: number, offset: number, length: number): void {
  assert.equal(syscall('fsync', fd), 0)
  assert.equal(syscall('fadvise64', fd, offset, length, POSIX_FADV.DONTNEED), 0)
}

epollTest('a read of what is only partly cached is not short', (bench, kit) => {
  const fd = kit.file(PATTERN)
  for (const [offset, length] of [
    [65536, 65536],
    [0, 65536],
    [0, 1 << 20],
  ] as const) {
    evict(fd, offset, length)
    const buffer = room(200_000)
    assert.deepEqual(
      bench.run(queue => prepareRead(queue, fd, buffer, 10, 1)),
      [[1, 200_000, 0]],
    )
    assert.deepEqual(buffer, PATTERN.slice(10, 200_010))
    evict(fd, offset, length)
    const parts = [room(50_000), room(7), room(60_000), room(89_993)]
    const vectors = iovecs(parts)
    assert.deepEqual(
      bench.run(queue => prepareReadv(queue, fd, vectors, 10, 1)),
      [[1, 200_000, 0]],
    )
    assert.deepEqual(Buffer.concat(parts), Buffer.from(PATTERN.slice(10, 200_010)))
  }
})

epollTest("a partly cached read at the file's own position moves it once", (bench, kit) => {
  const fd = kit.file(PATTERN)
  evict(fd, 65536, 65536)
  const buffer = room(100_000)
  assert.deepEqual(
    bench.run(queue => prepareRead(queue, fd, buffer, -1, 1)),
    [[1, 100_000, 0]],
  )
  assert.deepEqual(buffer, PATTERN.slice(0, 100_000))
  assert.deepEqual(
    bench.run(queue => prepareRead(queue, fd, buffer, -1, 1)),
    [[1, 100_000, 0]],
  )
  assert.deepEqual(buffer, PATTERN.slice(100_000, 200_000))
})

epollTest('closing waits for what threads do with the descriptor', (bench, kit) => {
  for (let round = 0; round < 50; round++) {
    const path = join(kit.folder(), 'file')
    const fd = openSync(path, 'w+')
    const writes = Array.from({ length: 20 }, (_, index): Step => {
      const buffer = room(1000).fill(index)
      return queue => prepareWrite(queue, fd, buffer, index * 1000, index)
    })
    // As soon as it is closed the number belongs to another file, which no write may hit.
    const other = pathBytes(join(kit.folder(), 'other'))
    const open: Step = queue => prepareOpenAt(queue, AT.FDCWD, other, O.RDWR | O.CREAT, 0o600, 30)
    const said = bench.run(...writes, queue => prepareClose(queue, fd, 29), open)
    assert.ok(said.every(([id, result]) => (id < 20 ? result === 1000 : result >= 0)))
    const opened = said.find(([id]) => id === 30)?.[1] as number
    kit.owns(opened)
    assert.equal(readFileSync(path).length, 20_000)
    assert.equal(readFileSync(`/proc/self/fd/${opened}`).length, 0)
    kit.closes(opened)
  }
})

epollTest('what only io_uring has is refused, by its entry alone', (bench, kit) => {
  const fd = kit.file('data')
  const buffer = room(4)
  const fixed: Step = queue => {
    prepareRead(queue, fd, buffer, 0, 2)
    queue.mark(1)
  }
  const drain: Step = queue => {
    prepareNop(queue, 3)
    queue.mark(2)
  }
  const said = bench.sorted(
    queue => prepareReadFixed(queue, fd, buffer, 0, 0, 1),
    fixed,
    drain,
    queue => prepareRecvSelect(queue, fd, 1, 0, 0, 4),
  )
  assert.deepEqual(said, [
    [1, EINVAL, 0],
    [2, EOPNOTSUPP, 0],
    [3, EINVAL, 0],
    [4, EOPNOTSUPP, 0],
  ])
})

epollTest('opens that wait for ever leave threads to the rest', (bench, kit) => {
  const fifo = join(kit.folder(), 'fifo')
  makeFifo(fifo)
  const path = pathBytes(fifo)
  const fd = kit.file()
  const opens = Array.from(
    { length: 10 },
    (_, index): Step =>
      queue =>
        prepareOpenAt(queue, AT.FDCWD, path, O.RDONLY, 0, index),
  )
  bench.submit(...opens)
  const writes = Array.from(
    { length: 10 },
    (_, index): Step =>
      queue =>
        prepareWrite(queue, fd, room(8), 0, 20 + index),
  )
  assert.equal(bench.run(...writes).length, 10)
  for (let index = 0; index < 10; index++) bench.submit(queue => prepareCancel(queue, index, 0, 40))
  const said = byUserData(bench.wait(20))
  const answers = said.filter(([id]) => id === 40).map(([, result]) => result)
  // Those that run cannot be taken back, only interrupted: it is too late to say.
  assert.deepEqual(new Set(answers), new Set([0, -114]))
  assert.ok(said.filter(([id]) => id < 10).every(([, result]) => result === -125))
})

epollTest('a full queue of completions takes no more entries until it is reaped', bench => {
  const small = new DriverBench('epoll', 2)
  const { submissions } = small.driver
  let taken = 0
  for (let round = 0; round < 20; round++) {
    prepareNop(submissions, round)
    taken += small.driver.submit()
  }
  assert.ok(taken < 20)
  let seen = 0
  small.driver.reap(() => seen++)
  taken += small.driver.submit()
  small.driver.reap(() => seen++)
  assert.equal(seen, taken)
  small.driver.close()
  assert.equal(bench.driver.stats().overflows, 0)
})

epollTest('a driver with operations in flight does not close', (bench, kit) => {
  const [reader, writer] = kit.pipe()
  bench.submit(queue => prepareRead(queue, reader, room(8), -1, 1))
  assert.throws(() => bench.driver.close(), { code: 'ERR_SLUICE_IN_FLIGHT' })
  writeSync(writer, 'x')
  bench.wait(1)
})

test('a number of threads outside 1 to 64 is refused', () => {
  for (const threads of [0, 65, 1.5, Number.NaN]) {
    const kit = new Kit('epoll')
    assert.throws(() => kit.engine({ threads }), { code: 'ERR_OUT_OF_RANGE' })
  }
})
