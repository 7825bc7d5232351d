/**
 * The process in which one JavaScript contestant is measured once. Prints the sample as JSON.
 *
 *   node bench/harness/measure.js BENCHMARK CONTESTANT '{"parameters": …, "context": …, "seconds": …}'
 */
import { loadBenchmark } from './benchmark.js'

const WARM_UP_MS = 300
const STEP_MS = 20

const [name, contestant, request] = process.argv.slice(2)
const { parameters, context, seconds, operations: wanted = 0 } = JSON.parse(request)
const benchmark = await loadBenchmark(name)
const running = await benchmark.contestants[contestant].start(parameters, context)

/** Warms the compiler up, and finds a step long enough that looking at the clock costs nothing. */
async function calibrate() {
  const start = performance.now()
  let size = 256
  while (performance.now() - start < WARM_UP_MS) {
    const before = performance.now()
    await running.step(size)
    if (performance.now() - before < STEP_MS / 2) size *= 2
  }
  return size
}

const size = await calibrate()
running.begin?.()
const start = performance.now()
let operations = 0
let took = 0
while (wanted > 0 ? operations < wanted : took < seconds) {
  await running.step(size)
  operations += size
  took = (performance.now() - start) / 1000
}
const figures = running.figures?.(operations) ?? {}
await running.stop?.()
process.stdout.write(`${JSON.stringify({ operations, seconds: took, figures })}\n`)
