import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { readSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import {
  AF,
  encodeSocketAddress,
  IORING_CQE_F,
  IORING_RECVSEND,
  IORING_TIMEOUT,
  POLL,
  SOCK,
  syscall,
  timespec,
} from '../kernel/index.js'
import {
  addOptions,
  prepareAcceptMultishot,
  preparePollMultishot,
  prepareRecv,
  prepareTimeout,
  type SubmissionQueue,
} from '../ring/index.js'
import { driverTest, type Kit, room, succeedChild, until } from './driver-test.test.support.js'

const ECANCELED = -125

/** A Unix socket that listens, and where. */
function listener(kit: Kit, flags = 0): { fd: number; path: string } {
  const path = join(kit.folder(), 'socket')
  const fd = kit.owns(syscall('socket', AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC | flags, 0))
  const address = encodeSocketAddress({ path })
  assert.equal(syscall('bind', fd, address, address.byteLength), 0)
  assert.equal(syscall('listen', fd, 128), 0)
  return { fd, path }
}

for (const [kind, flags] of [
  ['blocking', 0],
  ['non-blocking', SOCK.NONBLOCK],
] as const) {
  driverTest(`a multishot accept on a ${kind} socket has a completion for each connection`, async kit => {
    const engine = kit.engine()
    const { fd, path } = listener(kit, flags)
    const accepted: number[] = []
    let last: [number, number] | undefined
    const accept = engine.multishot(
      (queue, id) => prepareAcceptMultishot(queue, fd, SOCK.CLOEXEC, id),
      (result, completionFlags) => {
        if (result >= 0) accepted.push(kit.owns(result))
        if ((completionFlags & IORING_CQE_F.MORE) === 0) last = [result, completionFlags]
      },
    )
    for (let round = 1; round <= 3; round++) {
      const clients = Array.from({ length: 30 }, () => connect(path))
      await until(() => accepted.length === round * 30, `${round * 30} connections, not ${accepted.length}`)
      for (const client of clients) client.destroy()
    }
    assert.equal(new Set(accepted).size, 90)
    assert.equal(accept.ended, false)
    accept.cancel()
    await until(() => accept.ended, 'the last completion')
    assert.deepEqual(last, [ECANCELED, 0])
    accept.cancel()
    assert.equal(engine.stats().inFlight, 0)
  })
}

/** Begins a program that goes on after what nobody has caught. */
const SURVIVING = `
    const engine = new Engine({ driver })
    const [reader, writer] = makePipe()
    const errors = []
    process.on('uncaughtException', error => errors.push(error.message))`

driverTest('a multishot poll tells of each new readiness', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  const seen: number[] = []
  const poll = engine.multishot(
    (queue, id) => preparePollMultishot(queue, reader, POLL.IN, 0, id),
    result => seen.push(result),
  )
  for (let round = 1; round <= 5; round++) {
    writeSync(writer, 'x')
    await until(() => seen.length === round, `${round} completions`)
    readSync(reader, Buffer.alloc(1))
  }
  assert.ok(seen.every(events => (events & POLL.IN) !== 0))
  poll.cancel()
  await until(() => poll.ended, 'the last completion')
  assert.deepEqual([seen.length, seen.at(-1)], [6, ECANCELED])
})

driverTest('a time-out that repeats fires as often as it was told', async kit => {
  const engine = kit.engine()
  const time = timespec(2)
  const seen: [number, number][] = []
  const ticks = engine.multishot(
    (queue, id) => prepareTimeout(queue, time, 3, IORING_TIMEOUT.MULTISHOT, id),
    (result, flags) => seen.push([result, flags]),
    time,
  )
  await until(() => ticks.ended, 'three ticks')
  assert.deepEqual(seen, [
    [-62, IORING_CQE_F.MORE],
    [-62, IORING_CQE_F.MORE],
    [-62, 0],
  ])
})

driverTest(
  'a multishot receive into one buffer hands out each piece before the next comes',
  async kit => {
    const engine = kit.engine()
    const [left, right] = kit.socketPair()
    const buffer = room(16)
    let text = ''
    let last: number | undefined
    const prepare = (queue: SubmissionQueue, id: number) => {
      const prepared = prepareRecv(queue, left, buffer, 0, id)
      addOptions(queue, IORING_RECVSEND.RECV_MULTISHOT)
      return prepared
    }
    const receive = engine.multishot(
      prepare,
      (result, flags) => {
        text += Buffer.from(buffer.buffer, 0, Math.max(result, 0)).toString()
        if ((flags & IORING_CQE_F.MORE) === 0) last = result
      },
      buffer,
    )
    const sent = Array.from({ length: 40 }, (_, index) => `piece ${index}; `).join('')
    for (let at = 0; at < sent.length; at += 50) {
      writeSync(right, sent.slice(at, at + 50))
      await new Promise(resolve => setImmediate(resolve))
    }
    await until(() => text.length === sent.length, 'everything')
    assert.equal(text, sent)
    kit.closes(right)
    await until(() => receive.ended, 'the end')
    assert.equal(last, 0)
  },
  ['epoll'],
)

driverTest('a callback runs in the async context of its asking', async kit => {
  const engine = kit.engine()
  const storage = new AsyncLocalStorage<string>()
  const [reader, writer] = kit.pipe()
  const seen: (string | undefined)[] = []
  const poll = storage.run('asked here', () =>
    engine.multishot(
      (queue, id) => preparePollMultishot(queue, reader, POLL.IN, 0, id),
      () => seen.push(storage.getStore()),
    ),
  )
  await storage.run('elsewhere', async () => {
    writeSync(writer, 'x')
    await until(() => seen.length === 1, 'a completion')
    poll.cancel()
    await until(() => poll.ended, 'the last completion')
  })
  assert.deepEqual(seen, ['asked here', 'asked here'])
})

driverTest('what a callback throws is an uncaught exception, and the engine goes on', kit => {
  const printed = succeedChild(
    kit.driver,
    `${SURVIVING}
    let calls = 0
    const poll = engine.multishot((queue, id) => ring.preparePollMultishot(queue, reader, kernel.POLL.IN, 0, id), () => {
      throw new Error('callback ' + ++calls)
    })
    const nops = () => Promise.all(Array.from({ length: 50 }, () => engine.run(ring.prepareNop, { syscall: 'nop' })))
    for (let round = 1; round <= 3; round++) {
      fs.writeSync(writer, 'x')
      while (calls < round) await nops()
      fs.readSync(reader, Buffer.alloc(1))
    }
    poll.cancel()
    while (!poll.ended) await nops()
    await new Promise(resolve => setImmediate(resolve))
    await engine.close()
    console.log(errors.join(', '))
    `,
  )
  assert.equal(printed, 'callback 1, callback 2, callback 3, callback 4\n')
})

driverTest('ticks that throw behind what a completion leads to do not hold up what that leads to', kit => {
  const printed = succeedChild(
    kit.driver,
    `${SURVIVING}
    const byte = Buffer.alloc(1)
    const came = engine.read(reader, byte, 0, 1, -1)
    setTimeout(() => fs.writeSync(writer, 'x'), 10)
    await came
    for (let tick = 1; tick <= 6; tick++) {
      process.nextTick(() => {
        throw new Error('tick ' + tick)
      })
      await engine.run(ring.prepareNop, { syscall: 'nop' })
    }
    await engine.close()
    console.log(errors.join(', '))
    `,
  )
  assert.equal(printed, 'tick 1, tick 2, tick 3, tick 4, tick 5, tick 6\n')
})
