import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { IORING_CQE_F, IORING_OP } from '../kernel/index.js'
import {
  BufferRing,
  type BufferRingOptions,
  prepareReadMultishot,
  prepareRecvMultishot,
  prepareRecvSelect,
  type Ring,
} from './index.js'
import { type Completion, textOf } from './operation.test.support.js'
import { completion, completions, failure, ringTest, type Stage } from './ring.test.support.js'

const { MORE, BUFFER, BUF_MORE } = IORING_CQE_F
const GROUP = 7

/** A ring with a group of buffers and a socket pair: what is written to the second is received by the first. */
function receiver(stage: Stage, options: Partial<BufferRingOptions> = {}) {
  const ring = stage.ring()
  const buffers = ring.registerBufferRing({ group: GROUP, entries: 2, bufferSize: 4, ...options })
  const [near, far] = stage.socketPair()
  const send = (text: string) => writeSync(far, text)
  const arm = () => prepareRecvMultishot(ring.submissions, near, GROUP, 0, 0, 1)
  return { ring, buffers, near, send, arm }
}

/** Where a kernel has no incremental buffers, says so. */
function incremental(stage: Stage, options: Partial<BufferRingOptions> = {}) {
  try {
    return receiver(stage, { incremental: true, ...options })
  } catch (error) {
    stage.skip(`incremental buffers need kernel 6.12: ${(error as Error).message}`)
    return undefined
  }
}

ringTest('each completion names the buffer it took, which comes back when it is given', stage => {
  const { ring, buffers, near, send } = receiver(stage)
  const ids: number[] = []
  for (const text of ['one', 'two', 'tre', 'fur', 'fiv']) {
    send(text)
    prepareRecvSelect(ring.submissions, near, GROUP, 0, 0, 1)
    const { result, flags } = completion(ring)
    assert.notEqual(flags & BUFFER, 0)
    assert.equal(textOf(buffers.take(flags, result)), text)
    assert.equal(buffers.available, 1)
    ids.push(BufferRing.id(flags))
    buffers.give(BufferRing.id(flags))
    assert.equal(buffers.available, 2)
  }
  assert.deepEqual(ids, [0, 1, 0, 1, 0])
})

ringTest(
  'without a buffer left an operation ends with ENOBUFS, and can be armed again after giving',
  stage => {
    const { ring, buffers, send, arm } = receiver(stage)
    send('aaaabbbbcccc')
    arm()
    const [first, second, last] = completions(ring, 3)
    assert.ok(first && second && last)
    assert.equal(textOf(buffers.take(first.flags, first.result)), 'aaaa')
    assert.equal(textOf(buffers.take(second.flags, second.result)), 'bbbb')
    assert.deepEqual(last, { userData: 1, result: failure('ENOBUFS'), flags: 0 })
    assert.equal(buffers.available, 0)
    assert.equal(ring.inFlight, 0)

    buffers.give(BufferRing.id(first.flags))
    arm()
    const again = completions(ring, 1)[0]
    assert.ok(again)
    assert.equal(again.flags & BUFFER, BUFFER)
    assert.equal(textOf(buffers.take(again.flags, again.result)), 'cccc')
  },
)

ringTest('a buffer is given back once only, also while others are out', stage => {
  const { buffers, send, arm, ring } = receiver(stage, { entries: 4 })
  send('aaaabbbb')
  arm()
  const [first, second] = completions(ring, 2)
  assert.ok(first && second)
  buffers.take(first.flags, first.result)
  buffers.take(second.flags, second.result)
  const id = BufferRing.id(first.flags)
  buffers.give(id)
  assert.throws(() => buffers.give(id), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => buffers.give(3), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.equal(buffers.available, 3)
  buffers.give(BufferRing.id(second.flags))
  assert.equal(buffers.available, 4)
})

ringTest('a multishot goes on as long as buffers are given back', stage => {
  const { ring, buffers, send, arm } = receiver(stage)
  arm()
  let text = ''
  for (let round = 0; round < 50; round++) {
    send(String.fromCharCode(97 + (round % 26)).repeat(4))
    const { result, flags } = completion(ring)
    assert.notEqual(flags & MORE, 0)
    text += textOf(buffers.take(flags, result))
    buffers.give(BufferRing.id(flags))
  }
  assert.equal(text.length, 200)
  assert.equal(text.slice(0, 8), 'aaaabbbb')
})

ringTest('a pipe can be read into picked buffers again and again', stage => {
  const ring = stage.ring()
  if (!ring.supports(IORING_OP.READ_MULTISHOT)) return stage.skip('multishot reads need kernel 6.7')
  const buffers = ring.registerBufferRing({ group: GROUP, entries: 4, bufferSize: 8 })
  const [reading, writing] = stage.pipe()
  prepareReadMultishot(ring.submissions, reading, GROUP, 0, -1, 1)
  for (const text of ['first', 'second', 'third']) {
    writeSync(writing, text)
    const { result, flags } = completion(ring)
    assert.equal(textOf(buffers.take(flags, result)), text)
    assert.notEqual(flags & MORE, 0)
  }
})

ringTest('an incremental buffer is used up piece by piece before the next is begun', stage => {
  const parts = incremental(stage, { entries: 2, bufferSize: 8 })
  if (parts === undefined) return
  const { ring, buffers, send, arm } = parts
  arm()
  const seen: [number, string, boolean][] = []
  for (const text of ['abc', 'de', 'fgh', 'ij']) {
    send(text)
    for (const { result, flags } of completions(ring, 1)) {
      const more = (flags & BUF_MORE) !== 0
      seen.push([BufferRing.id(flags), textOf(buffers.take(flags, result)), more])
      if (!more) buffers.give(BufferRing.id(flags))
    }
  }
  assert.deepEqual(seen, [
    [0, 'abc', true],
    [0, 'de', true],
    [0, 'fgh', false],
    [1, 'ij', true],
  ])
  assert.equal(buffers.available, 2)
})

ringTest('a used-up incremental buffer begins at its beginning again', stage => {
  const parts = incremental(stage, { entries: 1, bufferSize: 4 })
  if (parts === undefined) return
  const { ring, buffers, send, near } = parts
  for (const text of ['abcd', 'efgh', 'ijkl']) {
    send(text)
    prepareRecvSelect(ring.submissions, near, GROUP, 0, 0, 1)
    const { result, flags } = completion(ring)
    assert.equal(textOf(buffers.take(flags, result)), text)
    buffers.give(BufferRing.id(flags))
  }
})

ringTest(
  'with every incremental buffer used up a multishot ends with ENOBUFS, and goes on after giving',
  stage => {
    const parts = incremental(stage, { entries: 2, bufferSize: 4 })
    if (parts === undefined) return
    const { ring, buffers, send, arm } = parts
    arm()
    let text = ''
    const used: number[] = []
    const see = ({ result, flags }: Completion) => {
      text += textOf(buffers.take(flags, result))
      if ((flags & BUF_MORE) === 0) used.push(BufferRing.id(flags))
    }
    // The last of each buffer is a byte: a buffer that is not full yet is no exhaustion.
    for (const piece of ['abc', 'd', 'ef', 'gh']) {
      send(piece)
      for (const each of completions(ring, 1)) see(each)
    }
    assert.deepEqual([text, used, buffers.available], ['abcdefgh', [0, 1], 0])

    send('ijkl')
    const last = completion(ring)
    assert.deepEqual(last, { userData: 1, result: failure('ENOBUFS'), flags: 0 })
    assert.equal(ring.inFlight, 0)
    arm()
    assert.equal(completion(ring).result, failure('ENOBUFS'), 'armed again with nothing given, it ends again')

    for (const id of used.splice(0)) buffers.give(id)
    assert.equal(buffers.available, 2)
    arm()
    send('mn')
    while (text.length < 14) for (const each of completions(ring, 1)) see(each)
    assert.equal(text, 'abcdefghijklmn', 'what came meanwhile is not lost')
  },
)

ringTest('giving back more than was taken is refused', stage => {
  const { buffers } = receiver(stage)
  assert.throws(() => buffers.give(0), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const id of [-1, 2, 1.5, Number.NaN]) {
    assert.throws(() => buffers.give(id), { code: 'ERR_OUT_OF_RANGE' })
  }
  assert.throws(() => buffers.give('0' as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' })
})

ringTest('the kernel says how many buffers it has picked', stage => {
  const { ring, buffers, near, send } = receiver(stage)
  let head: number
  try {
    head = buffers.head
  } catch (error) {
    return stage.skip(`the head can be asked for from kernel 6.8 on: ${(error as Error).message}`)
  }
  assert.equal(head, 0)
  send('x')
  prepareRecvSelect(ring.submissions, near, GROUP, 0, 0, 1)
  completion(ring)
  assert.equal(buffers.head, 1)
})

ringTest('a group’s number is free again after it has been closed', stage => {
  const ring = stage.ring()
  const make = () => ring.registerBufferRing({ group: GROUP, entries: 2, bufferSize: 16 })
  const first = make()
  assert.throws(make, { code: 'EEXIST' })
  first.close()
  first.close()
  make().close()
})

ringTest('an operation on a group that is not there ends with ENOBUFS', stage => {
  const ring = stage.ring()
  const [near] = stage.socketPair()
  prepareRecvSelect(ring.submissions, near, 99, 0, 0, 1)
  assert.equal(completion(ring).result, failure('ENOBUFS'))
})

/** Options that make no group, and what is said about them. */
const WRONG: [Partial<BufferRingOptions>, string][] = [
  [{ group: -1 }, 'ERR_OUT_OF_RANGE'],
  [{ group: 65536 }, 'ERR_OUT_OF_RANGE'],
  [{ entries: 0 }, 'ERR_OUT_OF_RANGE'],
  [{ entries: 32769 }, 'ERR_OUT_OF_RANGE'],
  [{ bufferSize: 0 }, 'ERR_OUT_OF_RANGE'],
  [{ bufferSize: 2 ** 31 }, 'ERR_OUT_OF_RANGE'],
  [{ entries: '2' as unknown as number }, 'ERR_INVALID_ARG_TYPE'],
]

for (const [options, code] of WRONG) {
  ringTest(`a group of ${JSON.stringify(options)} is refused`, stage => {
    const ring: Ring = stage.ring()
    const all = { group: 1, entries: 2, bufferSize: 16, ...options }
    assert.throws(() => ring.registerBufferRing(all), { code })
  })
}

ringTest('blocks that ran out become more, up to as many as there is place for', stage => {
  const ring = stage.ring()
  const [near, far] = stage.socketPair()
  const blocks = (() => {
    try {
      return ring.registerBlockRing({ group: GROUP, entries: 4, blocks: 1, blockSize: 8 })
    } catch (error) {
      stage.skip(`incremental buffers need kernel 6.12: ${(error as Error).message}`)
      return undefined
    }
  })()
  if (blocks === undefined) return
  const received: string[] = []
  /** Sends twice as much as two blocks hold, and takes nothing before the kernel is through. @returns how it ended */
  const burst = () => {
    writeSync(far, 'aaaaaaaabbbbbbbb')
    prepareRecvMultishot(ring.submissions, near, GROUP, 8, 0, 1)
    ring.submit(1)
    let end = 0
    ring.reap((_, result, flags) => {
      if (result > 0) received.push(textOf(blocks.take(flags, result)))
      else end = result
    })
    return end
  }
  assert.equal(blocks.available, 1)
  assert.equal(burst(), failure('ENOBUFS'))
  assert.deepEqual(received.splice(0), ['aaaaaaaa'])
  for (let count = 2; count < 7; count++) {
    blocks.grow()
    assert.equal(blocks.available, Math.min(count, 4))
  }
  prepareRecvMultishot(ring.submissions, near, GROUP, 8, 0, 2)
  writeSync(far, 'cccccccc')
  ring.submit(2)
  ring.reap((_, result, flags) => void received.push(textOf(blocks.take(flags, result))))
  assert.deepEqual(received, ['bbbbbbbb', 'cccccccc'])
  assert.equal(blocks.available, 4)
})
