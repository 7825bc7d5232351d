import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import { IORING_CQE_F, IORING_FILE_INDEX_ALLOC, IORING_MSG_RING, IOSQE } from '../kernel/index.js'
import {
  prepareMsgRing,
  prepareMsgRingFd,
  prepareMsgRingFlags,
  prepareNop,
  prepareRead,
  sendMessage,
} from './index.js'
import { room, textOf } from './operation.test.support.js'
import {
  byUserData,
  completion,
  completions,
  fails,
  failure,
  reapAll,
  ringTest,
  runModule,
} from './ring.test.support.js'

ringTest('a message is a completion of the other ring, with the result and user data it was given', stage => {
  const sender = stage.ring()
  const receiver = stage.ring({ messages: true })
  prepareMsgRing(sender.submissions, receiver.fd, -12345, Number.MAX_SAFE_INTEGER, 0, 1)
  assert.deepEqual(completion(sender), { userData: 1, result: 0, flags: 0 })
  receiver.submit(1)
  assert.deepEqual(reapAll(receiver), [{ userData: Number.MAX_SAFE_INTEGER, result: -12345, flags: 0 }])
})

ringTest('a message may carry flags for its completion', stage => {
  const sender = stage.ring()
  const receiver = stage.ring({ messages: true })
  prepareMsgRingFlags(sender.submissions, receiver.fd, 7, 8, IORING_CQE_F.SOCK_NONEMPTY, 1)
  if (completion(sender).result === failure('EINVAL')) return stage.skip('flags in messages need kernel 6.3')
  assert.deepEqual(reapAll(receiver), [{ userData: 8, result: 7, flags: IORING_CQE_F.SOCK_NONEMPTY }])
})

ringTest('messages count for nothing once they are discounted', stage => {
  const sender = stage.ring()
  const receiver = stage.ring({ messages: true })
  const [reading] = stage.pipe()
  prepareRead(receiver.submissions, reading, room(1), -1, 1)
  receiver.submit()
  for (let index = 0; index < 5; index++) prepareMsgRing(sender.submissions, receiver.fd, 0, 100, 0, index)
  completions(sender, 5)
  receiver.reap(userData => {
    if (userData === 100) receiver.discountMessage()
  })
  assert.equal(receiver.inFlight, 1)
})

ringTest('a registered file is handed to a place of the other ring, or to one that it picks', stage => {
  const sender = stage.ring()
  const receiver = stage.ring({ messages: true })
  sender.registerFiles([-1, stage.file('handed over')])
  receiver.registerFiles(4)
  const read = (place: number) => {
    const bytes = room(16)
    prepareRead(receiver.submissions, place, bytes, 0, 5)
    receiver.submissions.mark(IOSQE.FIXED_FILE)
    const { result } = completion(receiver)
    return result < 0 ? result : textOf(bytes.subarray(0, result))
  }
  prepareMsgRingFd(sender.submissions, receiver.fd, 1, 2, 77, 0, 1)
  assert.equal(completion(sender).result, 0)
  assert.deepEqual(reapAll(receiver), [{ userData: 77, result: 0, flags: 0 }])
  assert.equal(read(2), 'handed over')
  assert.equal(read(0), failure('EBADF'))

  prepareMsgRingFd(sender.submissions, receiver.fd, 1, IORING_FILE_INDEX_ALLOC, 78, 0, 2)
  const picked = completion(sender).result
  assert.ok(picked >= 0, `${picked}`)
  assert.deepEqual(reapAll(receiver), [{ userData: 78, result: picked, flags: 0 }])
  assert.equal(read(picked), 'handed over')

  prepareMsgRingFd(sender.submissions, receiver.fd, 1, 3, 79, IORING_MSG_RING.CQE_SKIP, 3)
  assert.equal(completion(sender).result, 0)
  assert.deepEqual(reapAll(receiver), [])
  assert.equal(read(3), 'handed over')
})

ringTest('what cannot be sent fails at the sender', stage => {
  const sender = stage.ring()
  const receiver = stage.ring({ messages: true })
  sender.registerFiles([-1])
  const file = stage.file('no ring')
  prepareMsgRing(sender.submissions, file, 0, 1, 0, 1)
  prepareMsgRing(sender.submissions, -1, 0, 1, 0, 2)
  prepareMsgRingFd(sender.submissions, receiver.fd, 0, 0, 1, 0, 3)
  assert.deepEqual(byUserData(completions(sender, 3)), {
    1: failure('EBADFD'),
    2: failure('EBADF'),
    3: failure('EBADF'),
  })
  assert.deepEqual(reapAll(receiver), [])
})

ringTest('messages beyond the other queue’s size all come', stage => {
  const sender = stage.ring({ entries: 64 })
  const receiver = stage.ring({ entries: 4, completionEntries: 4, messages: true })
  for (let index = 0; index < 64; index++)
    prepareMsgRing(sender.submissions, receiver.fd, index, index, 0, index)
  const sent = completions(sender, 64).filter(({ result }) => result === 0)
  const seen = completions(receiver, sent.length).map(({ userData }) => userData)
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    sent.map(({ userData }) => userData).sort((a, b) => a - b),
  )
})

ringTest('a ring that is closed is no longer sent to', stage => {
  const sender = stage.ring()
  const receiver = stage.ring({ messages: true })
  const { fd } = receiver
  receiver.close()
  prepareMsgRing(sender.submissions, fd, 0, 1, 0, 1)
  assert.equal(completion(sender).result, failure('EBADF'))
  prepareNop(sender.submissions, 2)
  assert.equal(completion(sender).result, 0)
  assert.throws(() => closeSync(fd), { code: 'EBADF' })
})

const PING_PONG = `
import { Worker } from 'node:worker_threads'
const ROUNDS = 200
const url = '${new URL('./index.js', import.meta.url).href}'
const player = async () => {
  const { parentPort } = await import('node:worker_threads')
  const { Ring, prepareMsgRing } = await import(WHERE)
  const mine = new Ring({ entries: 8, mode: 'dedicated', messages: true })
  parentPort.postMessage(mine.fd)
  parentPort.once('message', ({ peer, begins }) => {
    let turn = begins ? 0 : -1
    let received = 0
    const throwBall = value => {
      if (!prepareMsgRing(mine.submissions, peer, value, 1, 0, 2)) throw new Error('full')
      mine.submit()
    }
    if (begins) throwBall(0)
    let last = -1
    while (last < ROUNDS - 1) {
      mine.submit(1)
      mine.reap((userData, result) => {
        if (userData === 2) {
          if (result < 0) throw new Error('not sent: ' + result)
          return
        }
        mine.discountMessage()
        received++
        last = result
        if (result < ROUNDS) throwBall(result + 1)
      })
    }
    parentPort.postMessage({ received })
    parentPort.once('message', () => mine.close())
  })
}
const source = '(' + player.toString().replace('WHERE', JSON.stringify(url)).replaceAll('ROUNDS', ROUNDS) + ')()'
const workers = [new Worker(source, { eval: true }), new Worker(source, { eval: true })]
const next = worker => new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
const fds = await Promise.all(workers.map(next))
const results = workers.map(next)
workers[0].postMessage({ peer: fds[1], begins: true })
workers[1].postMessage({ peer: fds[0], begins: false })
const counts = await Promise.all(results)
for (const worker of workers) worker.postMessage('close')
await Promise.all(workers.map(worker => new Promise(resolve => worker.once('exit', resolve))))
console.log(counts.map(({ received }) => received).join(' '))
`

ringTest('rings in two workers play ball with messages', async stage => {
  const { code, output } = await runModule(PING_PONG)
  if (/not sent/.test(output)) return stage.skip(`messages between rings are refused: ${output}`)
  assert.equal(code, 0, output)
  assert.equal(output.trim(), '100 101')
})

ringTest('a message can be sent without a ring', stage => {
  const receiver = stage.ring({ messages: true })
  if (fails('EINVAL', () => sendMessage(receiver.fd, -5, Number.MAX_SAFE_INTEGER))) {
    return stage.skip('messages without a ring need kernel 6.13')
  }
  receiver.submit(1)
  assert.deepEqual(reapAll(receiver), [{ userData: Number.MAX_SAFE_INTEGER, result: -5, flags: 0 }])
  assert.throws(() => sendMessage(2 ** 30, 0, 0), { code: 'EBADF', syscall: 'io_uring_register' })
  assert.throws(() => sendMessage(stage.pipe()[0], 0, 0), { code: 'EBADFD' })
  for (const wrong of [-1, 0.5, 2 ** 31]) {
    assert.throws(() => sendMessage(wrong, 0, 0), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => sendMessage(0, wrong === -1 ? 2 ** 31 : wrong, 0), { code: 'ERR_OUT_OF_RANGE' })
  }
})
