import assert from 'node:assert/strict'
import { constants, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { AT, O, pathBytes } from '../kernel/index.js'
import { prepareOpenAt, preparePollAdd } from '../ring/index.js'
import { driverTest, makeFifo, room, textOf, until } from './driver-test.test.support.js'

driverTest('what is aborted before it begins is never begun', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  writeSync(writer, 'data')
  const reason = new Error('why')
  const error = await engine.read(reader, room(4), 0, 4, -1, undefined, AbortSignal.abort(reason)).then(
    () => assert.fail(),
    rejected => rejected,
  )
  assert.deepEqual([error.name, error.code, error.cause], ['AbortError', 'ABORT_ERR', reason])
  const options = { syscall: 'poll', signal: AbortSignal.abort() }
  await assert.rejects(
    engine.run((queue, id) => preparePollAdd(queue, reader, 1, id), options),
    {
      name: 'AbortError',
    },
  )
  assert.equal(engine.stats().submissions, 0)
})

driverTest('an abort ends a read that would never come, and only once the kernel has let go', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  const controller = new AbortController()
  const buffer = room(4)
  const read = engine.read(reader, buffer, 0, 4, -1, undefined, controller.signal)
  await until(() => engine.stats().submissions === 1, 'the read is submitted')
  assert.equal(engine.stats().inFlight, 1)
  controller.abort()
  assert.equal(engine.stats().inFlight, 1, 'asking is not enough')
  await assert.rejects(read, { name: 'AbortError' })
  assert.equal(engine.stats().inFlight, 0)
  writeSync(writer, 'late')
  const next = room(4)
  assert.equal(await engine.read(reader, next, 0, 4, -1), 4)
  assert.equal(textOf(next), 'late', 'nothing was taken by the read that was aborted')
  assert.deepEqual(buffer, room(4))
})

driverTest('an abort in the turn of its asking ends it too', async kit => {
  const engine = kit.engine()
  const [reader] = kit.pipe()
  const controller = new AbortController()
  const read = engine.read(reader, room(4), 0, 4, -1, undefined, controller.signal)
  controller.abort()
  await assert.rejects(read, { name: 'AbortError' })
})

driverTest('an abort after the end changes nothing', async kit => {
  const engine = kit.engine()
  const controller = new AbortController()
  const read = engine.read(kit.file('data'), room(4), 0, 4, 0, undefined, controller.signal)
  assert.equal(await read, 4)
  controller.abort()
  assert.equal(await read, 4)
  assert.equal(await engine.read(kit.file('data'), room(4), 0, 4, 0), 4)
})

driverTest('a failure of its own is told although it was aborted', async kit => {
  const engine = kit.engine()
  const controller = new AbortController()
  const read = engine.read(2 ** 30, room(4), 0, 4, 0, undefined, controller.signal)
  controller.abort()
  await assert.rejects(read, { code: 'EBADF' })
})

driverTest('a descriptor that comes although its opening was aborted is closed', async kit => {
  const engine = kit.engine()
  const path = pathBytes(join(kit.folder(), 'new'))
  const controller = new AbortController()
  const discarded: number[] = []
  const open = engine.run((queue, id) => prepareOpenAt(queue, AT.FDCWD, path, O.RDWR | O.CREAT, 0o600, id), {
    syscall: 'open',
    held: path,
    signal: controller.signal,
    discard: fd => discarded.push(kit.owns(fd)),
  })
  controller.abort()
  await assert.rejects(open, { name: 'AbortError' })
  assert.ok(discarded.length <= 1)
})

driverTest('completion and abort in one turn: the bytes are there, or the abort, never both', async kit => {
  const engine = kit.engine()
  for (let round = 0; round < 100; round++) {
    const [reader, writer] = kit.pipe()
    const controller = new AbortController()
    const buffer = room(4)
    const read = engine.read(reader, buffer, 0, 4, -1, undefined, controller.signal).then(
      bytes => bytes,
      error => error.name,
    )
    await new Promise(resolve => setImmediate(resolve))
    const write = () => writeSync(writer, 'data')
    const abort = () => controller.abort()
    for (const step of round % 2 === 0 ? [write, abort] : [abort, write]) {
      step()
      if (round % 4 > 1) await new Promise(resolve => setImmediate(resolve))
    }
    const outcome = await read
    assert.ok(outcome === 4 || outcome === 'AbortError', `${outcome}`)
    kit.closes(reader)
    kit.closes(writer)
  }
  assert.equal(engine.stats().inFlight, 0)
})

driverTest('an abort does not hit the operation that has its slot afterwards', async kit => {
  const engine = kit.engine({ maxInFlight: 1 })
  const fd = kit.file('data')
  const controllers: AbortController[] = []
  const reads: Promise<unknown>[] = []
  for (let index = 0; index < 200; index++) {
    const controller = new AbortController()
    controllers.push(controller)
    const read = engine.read(fd, room(4), 0, 4, 0, undefined, controller.signal)
    reads.push(read.catch(error => error.name))
    read.then(
      () => controllers[index].abort(),
      () => {},
    )
  }
  assert.ok((await Promise.all(reads)).every(result => result === 4))
})

const fifoName = 'the opening of a FIFO that nobody else opens can be aborted, and leaves threads to others'
// On the ring, one for reading does not wait at all: the kernel's first attempt is non-blocking, and succeeds.
driverTest(
  fifoName,
  async kit => {
    const engine = kit.engine({ threads: 2 })
    const fifo = join(kit.folder(), 'fifo')
    makeFifo(fifo)
    const path = pathBytes(fifo)
    const controller = new AbortController()
    const open = (signal?: AbortSignal) =>
      engine.run<number>((queue, id) => prepareOpenAt(queue, AT.FDCWD, path, O.RDONLY, 0, id), {
        syscall: 'open',
        held: path,
        signal,
        discard: fd => kit.owns(fd),
      })
    const opens = Array.from({ length: 5 }, () => open(controller.signal))
    // They leave threads to others.
    const fd = kit.file()
    assert.equal(await engine.write(fd, room(8), 0, 8, 0), 8)
    controller.abort()
    for (const result of await Promise.allSettled(opens)) assert.equal(result.status, 'rejected')
    const last = open()
    const writer = await new Promise<number>((resolve, reject) => {
      const attempt = () => {
        try {
          resolve(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK))
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'ENXIO') setImmediate(attempt)
          else reject(error)
        }
      }
      attempt()
    })
    kit.owns(writer)
    kit.owns(await last)
  },
  ['epoll'],
)
