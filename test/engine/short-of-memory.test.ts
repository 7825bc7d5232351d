import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChild } from '../helpers/child.js'

/** As long as a batch is of so many entries, the kernel is made to be short of memory. libuv's own never are. */
const BATCH = 37

const PRELUDE = `
  const own = new engine.Engine({ driver: 'ring' })
  const nop = () => own.run(ring.prepareNop, { syscall: 'nop' })
  const refuse = () =>
    refuseIoUring({ code: 'EAGAIN', calls: ['io_uring_enter'], argument: { index: 1, value: ${BATCH} } })
  const batch = () => Promise.all(Array.from({ length: ${BATCH} }, nop))
`

test('where the kernel has no memory for a submission, it is handed over later and nothing fails', () => {
  const printed = runChild(`${PRELUDE}
    refuse()
    const refused = batch()
    for (let turn = 0; turn < 10; turn++) await new Promise(resolve => setImmediate(resolve))
    const { inFlight, submissions, batches } = own.stats()
    const results = await Promise.all([refused, nop()])
    // Once a turn, and no more often.
    console.log(inFlight, submissions, batches >= 5 && batches <= 11, new Set(results.flat()))
    await own.close()
  `)
  assert.equal(printed, `${BATCH} 0 true Set(1) { 0 }\n`)
})

test('a submission that must wait for memory does not hold up the event loop', () => {
  const printed = runChild(`${PRELUDE}
    const pipe = new Int32Array(new ArrayBuffer(8))
    kernel.syscall('pipe2', pipe, 0)
    const byte = new Uint8Array(new ArrayBuffer(128))
    const read = own.read(pipe[0], byte, 0, 1, -1)
    await new Promise(resolve => setImmediate(resolve))
    refuse()
    // With the read in flight, a completion could make room; nobody may wait for it, though.
    const refused = batch()
    await new Promise(resolve => setTimeout(resolve, 10))
    kernel.syscall('write', pipe[1], byte, 1)
    console.log(await read)
    console.log(new Set((await Promise.all([refused, nop()])).flat()))
    await own.close()
  `)
  assert.equal(printed, '1\nSet(1) { 0 }\n')
})
