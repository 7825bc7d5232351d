import assert from 'node:assert/strict'
import { driverTest, succeedChild } from './driver-test.test.support.js'

/** A young generation that takes all of a round, so that what is used has grown by what was allocated. */
const FLAGS = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256']
/** What a turn of the event loop allocates, spread over its operations; an object of one field takes as much. */
const SLACK = 24

/** Prints how many bytes of the heap an operation takes: of one that does nothing but settle its promise, then of ours. */
const PROGRAM = `
import { getHeapStatistics } from 'node:v8'
const engine = new Engine({ driver })
const options = { syscall: 'nop' }
const source = fs.openSync('/dev/zero', 'r')
const bytes = room(64)
const waiting = []
let resolveOut
const capture = (resolve, reject) => { resolveOut = resolve }
function bare() {
  if (waiting.length === 0) setImmediate(() => { for (const each of waiting.splice(0)) each(0) })
  const promise = new Promise(capture)
  waiting.push(resolveOut)
  return promise
}
const AT_ONCE = 64
const promises = new Array(AT_ONCE)
async function round(begin, count) {
  for (let turn = 0; turn < count; turn++) {
    for (let index = 0; index < AT_ONCE; index++) promises[index] = begin()
    for (let index = 0; index < AT_ONCE; index++) await promises[index]
  }
}
async function bytesEach(begin) {
  await round(begin, 2000)
  let least = Infinity
  for (let again = 0; again < 3; again++) {
    gc()
    const before = getHeapStatistics().used_heap_size
    await round(begin, 1000)
    least = Math.min(least, (getHeapStatistics().used_heap_size - before) / (1000 * AT_ONCE))
  }
  return least
}
const seen = {
  bare: await bytesEach(bare),
  run: await bytesEach(() => engine.run(ring.prepareNop, options)),
  read: await bytesEach(() => engine.read(source, bytes, 0, 64, 0)),
}
console.log(JSON.stringify(seen))
await engine.close()
`

driverTest(
  'below its promise an operation allocates nothing',
  kit => {
    const { bare, run, read } = JSON.parse(succeedChild(kit.driver, PROGRAM, FLAGS))
    assert.ok(bare > 100, `a promise takes ${bare} bytes`)
    assert.ok(run < bare + SLACK, `run() takes ${run} bytes, a promise ${bare}`)
    assert.ok(read < bare + SLACK, `read() takes ${read} bytes, a promise ${bare}`)
  },
  // Those of epoll hand files to threads, whose answers come one by one.
  ['ring'],
)
