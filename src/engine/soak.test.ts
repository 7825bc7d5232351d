import assert from 'node:assert/strict'
import { driverTest, succeedChild } from './driver-test.test.support.js'

const BRIEF = process.env.SLUICE_TEST_BRIEF !== undefined
/** Ten million with `SLUICE_SOAK=1`. */
const OPERATIONS = process.env.SLUICE_SOAK === '1' ? 10_000_000 : BRIEF ? 100_000 : 1_000_000

/** Runs operations 64 deep, with the heap measured when they have been going for a while and at the end. */
const PROGRAM = (one: string) => `
  const engine = new Engine({ driver })
  const fd = fs.openSync(process.execPath)
  const sink = fs.openSync('/dev/null', 'w')
  const buffers = Array.from({ length: 64 }, () => room(64))
  const run = async count => {
    await Promise.all(buffers.map(async buffer => {
      for (let index = 0; index < count / 64; index++) await (${one})(buffer)
    }))
  }
  const measure = async () => {
    for (let round = 0; round < 5; round++) {
      gc()
      await new Promise(resolve => setImmediate(resolve))
    }
    const { heapUsed, external, arrayBuffers } = process.memoryUsage()
    return heapUsed + external + arrayBuffers
  }
  const total = Number(process.argv.at(-1))
  // What V8 compiles meanwhile and learns of the code is not to be counted, however short the run.
  await run(Math.max(total / 10, 20_000))
  const before = await measure()
  await run(total)
  const after = await measure()
  const { inFlight, waiting } = engine.stats()
  console.log(JSON.stringify({ growth: after - before, inFlight, waiting }))
  await engine.close()
`

function soak(driver: Parameters<typeof succeedChild>[0], one: string, count: number): void {
  const printed = succeedChild(driver, PROGRAM(one).replace('process.argv.at(-1)', String(count)), [
    '--expose-gc',
  ])
  const { growth, inFlight, waiting } = JSON.parse(printed)
  assert.deepEqual({ inFlight, waiting }, { inFlight: 0, waiting: 0 })
  // What V8 keeps for itself comes and goes by some hundred kilobytes; a byte an operation would be more.
  assert.ok(growth < 512 * 1024, `the heap grew by ${growth} bytes in ${count} operations`)
}

driverTest('reads leave nothing behind', kit => {
  soak(kit.driver, 'buffer => engine.read(fd, buffer, 0, 64, 0)', OPERATIONS)
})

driverTest('operations on threads leave nothing behind', kit => {
  soak(kit.driver, 'buffer => engine.write(sink, buffer, 0, 64, 0)', OPERATIONS / 10)
})

driverTest('aborted operations leave nothing behind', kit => {
  const one = `async buffer => {
    const [reader, writer] = pipe ??= makePipe()
    const controller = new AbortController()
    const read = engine.read(reader, buffer, 0, 64, -1, undefined, controller.signal)
    controller.abort()
    await read.catch(error => { if (error.name !== 'AbortError') throw error })
  }`
  soak(
    kit.driver,
    one.replace('pipe ??= makePipe()', 'globalThis.pipe ??= makePipe()'),
    Math.min(OPERATIONS / 20, 100_000),
  )
})
