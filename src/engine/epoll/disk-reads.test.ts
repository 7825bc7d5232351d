import assert from 'node:assert/strict'
import { openSync, readdirSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AT, errnoOf, iovecs, O, pathBytes, RWF } from '../../kernel/index.js'
import { alignedBuffer } from '../../memory/index.js'
import {
  addFlags,
  prepareCancel,
  prepareClose,
  prepareOpenAt,
  prepareRead,
  prepareReadv,
} from '../../ring/index.js'
import { byUserData, DriverBench, type Step } from '../driver-bench.test.support.js'
import { Kit } from '../driver-test.test.support.js'

const BLOCK = 4096
const BLOCKS = 64
const PATTERN = Uint8Array.from({ length: BLOCKS * BLOCK }, (_, index) => (index * 13 + (index >> 9)) & 0xff)
const EAGAIN = -errnoOf('EAGAIN')

/** Threads of this process, and AIO contexts, whose rings of events are mapped. */
const threads = () => readdirSync('/proc/self/task').length
const contexts = () => readFileSync('/proc/self/maps', 'utf8').split('[aio]').length - 1

interface Stage {
  bench: DriverBench
  kit: Kit
  path: string
  /** Open past the page cache. */
  fd: number
}

function directTest(name: string, body: (stage: Stage, context: TestContext) => void): void {
  test(name, async context => {
    const kit = new Kit('epoll')
    const bench = new DriverBench('epoll', 1024)
    const path = join(kit.folder(), 'file')
    writeFileSync(path, PATTERN, { flush: true })
    try {
      body({ bench, kit, path, fd: kit.owns(openSync(path, O.RDONLY | O.DIRECT)) }, context)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall !== 'open') throw error
      context.skip(`this file system has no Direct I/O: ${(error as Error).message}`)
    } finally {
      bench.driver.close()
      await kit.dispose()
    }
    assert.equal(contexts(), 0, 'a closed driver has no context any more')
  })
}

const blocks = (count: number) => Array.from({ length: count }, () => alignedBuffer(BLOCK))
const positionOf = (index: number) => (index % BLOCKS) * BLOCK
const contentAt = (index: number) =>
  Buffer.from(PATTERN.subarray(positionOf(index), positionOf(index) + BLOCK))

const readInto =
  (fd: number) =>
  (buffer: Uint8Array, index: number): Step =>
  queue =>
    prepareRead(queue, fd, buffer, positionOf(index), index)

directTest('direct reads need no thread, and none of them is waited for', ({ bench, fd }) => {
  const before = threads()
  const buffers = blocks(20)
  bench.submit(...buffers.map(readInto(fd)))
  let there = 0
  bench.driver.reap(() => there++, false)
  assert.ok(there < 20, 'submission did not wait for them')
  assert.ok(bench.wait(20 - there).every(([, result]) => result === BLOCK))
  for (const [index, buffer] of buffers.entries()) assert.deepEqual(Buffer.from(buffer), contentAt(index))
  assert.equal(threads(), before)
  assert.equal(contexts(), 1)
})

directTest('a batch of direct reads is one call, and its completions another', ({ bench, fd }) => {
  bench.run(...blocks(1).map(readInto(fd)))
  const before = bench.driver.stats().enters
  bench.submit(...blocks(64).map(readInto(fd)))
  assert.equal(bench.driver.stats().enters - before, 1)
  bench.wait(64)
})

directTest('more direct reads than the kernel is given at once are all carried out', ({ bench, fd }) => {
  const buffers = blocks(700)
  const said = bench.run(...buffers.map(readInto(fd)))
  assert.deepEqual(
    byUserData(said),
    buffers.map((_, index) => [index, BLOCK, 0]),
  )
  for (const [index, buffer] of buffers.entries()) assert.deepEqual(Buffer.from(buffer), contentAt(index))
})

directTest('several buffers are filled by one direct read', ({ bench, fd }) => {
  const parts = blocks(3)
  const vectors = iovecs(parts)
  assert.deepEqual(
    bench.run(queue => prepareReadv(queue, fd, vectors, BLOCK, 1)),
    [[1, 3 * BLOCK, 0]],
  )
  for (const [index, part] of parts.entries()) assert.deepEqual(Buffer.from(part), contentAt(index + 1))
})

directTest(
  'a direct read across the end is short, and one behind it gives nothing',
  ({ bench, kit, path }) => {
    writeSync(kit.owns(openSync(path, 'a')), 'tail')
    const fd = kit.owns(openSync(path, O.RDONLY | O.DIRECT))
    const buffer = alignedBuffer(2 * BLOCK)
    const at =
      (position: number): Step =>
      queue =>
        prepareRead(queue, fd, buffer, position, 1)
    assert.deepEqual(bench.run(at(PATTERN.length)), [[1, 4, 0]])
    assert.equal(Buffer.from(buffer.subarray(0, 4)).toString(), 'tail')
    assert.deepEqual(bench.run(at(PATTERN.length + BLOCK)), [[1, 0, 0]])
  },
)

directTest('what is not aligned fails as pread(2) does', ({ bench, fd }) => {
  const buffer = alignedBuffer(BLOCK)
  assert.deepEqual(
    bench.run(queue => prepareRead(queue, fd, buffer.subarray(1), 1, 1)),
    [[1, -errnoOf('EINVAL'), 0]],
  )
})

directTest("a direct read at the file's own position moves it", ({ bench, fd }) => {
  const [first, second] = blocks(2) as [Uint8Array, Uint8Array]
  assert.equal(bench.run(queue => prepareRead(queue, fd, first, -1, 1))[0]?.[1], BLOCK)
  assert.equal(bench.run(queue => prepareRead(queue, fd, second, -1, 1))[0]?.[1], BLOCK)
  assert.deepEqual(Buffer.from(second), contentAt(1))
})

directTest(
  'what must be written first is read all the same, by a thread',
  ({ bench, kit, path, fd }, context) => {
    const changed = kit.owns(openSync(path, 'r+'))
    const buffer = alignedBuffer(BLOCK)
    const read: Step = queue => prepareRead(queue, fd, buffer, 0, 1)
    const withoutWaiting: Step = queue => {
      read(queue)
      addFlags(queue, RWF.NOWAIT)
    }
    writeSync(changed, 'changed, and in the page cache alone', 0)
    // Who asks not to be made to wait is told, and that it was so shows that the next had to.
    const [, told] = bench.run(withoutWaiting)[0] as readonly number[]
    if (told !== EAGAIN) return context.skip(`here such a read does not wait: ${told}`)
    const before = threads()
    assert.deepEqual(bench.run(read), [[1, BLOCK, 0]])
    assert.equal(Buffer.from(buffer.subarray(0, 7)).toString(), 'changed')
    assert.ok(threads() > before)
  },
)

directTest('a descriptor is not closed under its direct reads', ({ bench, kit, path }) => {
  const other = pathBytes(join(kit.folder(), 'other'))
  for (let round = 0; round < 20; round++) {
    const fd = openSync(path, O.RDONLY | O.DIRECT)
    const buffers = blocks(300)
    // As soon as it is closed the number belongs to another file, of which no read may come.
    const open: Step = queue => prepareOpenAt(queue, AT.FDCWD, other, O.RDWR | O.CREAT, 0o600, 1001)
    const said = bench.run(...buffers.map(readInto(fd)), queue => prepareClose(queue, fd, 1000), open)
    assert.ok(said.every(([id, result]) => (id < 1000 ? result === BLOCK : result >= 0)))
    for (const [index, buffer] of buffers.entries()) assert.deepEqual(Buffer.from(buffer), contentAt(index))
    kit.closes(kit.owns(said.find(([id]) => id === 1001)?.[1] as number))
  }
})

directTest('each direct read completes once, cancelled or not', ({ bench, fd }) => {
  const buffers = blocks(400)
  const cancels = buffers.map(
    (_, index): Step =>
      queue =>
        prepareCancel(queue, index, 0, 1000 + index),
  )
  const said = byUserData(bench.run(...buffers.map(readInto(fd)), ...cancels))
  assert.deepEqual(
    said.map(([id]) => id),
    [...buffers.keys(), ...buffers.map((_, index) => 1000 + index)],
  )
  const canceled = -errnoOf('ECANCELED')
  for (const [id, result] of said.slice(0, 400)) {
    assert.ok(result === BLOCK || result === canceled)
    if (result === BLOCK) assert.deepEqual(Buffer.from(buffers[id] as Uint8Array), contentAt(id))
  }
  assert.ok(
    said.some(([id, result]) => id < 400 && result === canceled),
    'what the kernel had not got was taken back',
  )
})
