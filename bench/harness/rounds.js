import { join } from 'node:path'
import { root, run } from '#scripts/run.js'

/** Beyond what it was asked to measure: start, warm-up, end. */
const GRACE_MS = 120_000

/**
 * Measures every contestant of every case, interleaved: a whole round of contestants, then the next, each
 * beginning with another, so that what else the machine does falls on all alike.
 *
 * @param {string} name the benchmark's
 * @param {import('./benchmark.js').Benchmark} benchmark
 * @param {{ rounds: number, seconds: number, only: RegExp, progress: (text: string) => void,
 *   onCase: (result: object) => void }} options
 */
export async function measureBenchmark(name, benchmark, { rounds, seconds, only, progress, onCase }) {
  const context = (await benchmark.setUp?.()) ?? {}
  try {
    const cases = benchmark.cases.filter(parameters => only.test(parameters.name))
    const results = []
    for (const parameters of cases) {
      benchmark.beforeCase?.(parameters, context)
      const task = { name, benchmark, parameters, context, seconds, rounds: benchmark.rounds ?? rounds }
      const contestants = await measureCase(task, text => progress(`${parameters.name}: ${text}`))
      const result = { parameters, contestants, verdicts: judge(benchmark.bars, parameters, contestants) }
      onCase(result)
      results.push(result)
    }
    return results
  } finally {
    benchmark.tearDown?.(context)
  }
}

async function measureCase(task, progress) {
  const { benchmark, parameters, context, rounds } = task
  const names = Object.keys(benchmark.contestants)
  const results = Object.fromEntries(names.map(name => [name, { samples: [] }]))
  for (const name of names) results[name].skipped = benchmark.contestants[name].skip?.(parameters, context)
  const running = names.filter(name => results[name].skipped === undefined)
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const name = running[(turn + round) % running.length]
      if (results[name].failed !== undefined) continue
      progress(`round ${round + 1} of ${rounds}, ${name}`)
      try {
        results[name].samples.push(await measureOnce(task, name))
      } catch (error) {
        results[name].failed = error.message
      }
    }
  }
  for (const result of Object.values(results)) Object.assign(result, summarize(result.samples))
  return results
}

/** @returns {Promise<import('./benchmark.js').Sample>} */
async function measureOnce({ name, benchmark, parameters, context, seconds }, contestant) {
  const subject = benchmark.contestants[contestant]
  const operations = benchmark.operations
  const [program, ...args] = subject.command
    ? subject.command(parameters, context, seconds)
    : [
        process.execPath,
        ...(subject.node ?? []),
        join(root, 'bench/harness/measure.js'),
        name,
        contestant,
        JSON.stringify({ parameters, context, seconds, operations }),
      ]
  const { code, output, timedOut } = await run(program, args, {
    capture: true,
    env: { ...process.env, ...subject.env },
    timeout_ms: seconds * 1000 + GRACE_MS,
  })
  if (timedOut) throw new Error(`did not end in ${seconds + GRACE_MS / 1000} s`)
  if (code !== 0) throw new Error(`exit code ${code}: ${output.trim()}`)
  return subject.read ? subject.read(output) : JSON.parse(output)
}

function summarize(samples) {
  const rates = samples.map(({ operations, seconds }) => operations / seconds)
  const names = new Set(samples.flatMap(sample => Object.keys(sample.figures ?? {})))
  const figures = [...names].map(name => [name, spread(samples.map(sample => sample.figures[name]))])
  return { rate: spread(rates), figures: Object.fromEntries(figures) }
}

function spread(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2
  return sorted.length === 0 ? undefined : { min: sorted[0], median, max: sorted.at(-1) }
}

/** Holds the results against the bars. @returns {object[]} a verdict for each bar about this case */
function judge(bars, parameters, contestants) {
  const concerned = bars.filter(({ where }) => where === undefined || where(parameters))
  return concerned.map(({ where, ...bar }) => {
    const [of, to] = [contestants[bar.of], contestants[bar.to]]
    if (of?.failed !== undefined || to?.failed !== undefined) return bar
    if (bar.figure !== undefined) {
      const value = figureOf(bar, of, to)
      return { ...bar, value, passed: value === undefined ? undefined : value <= bar.most }
    }
    if (of?.rate === undefined || to?.rate === undefined) return bar
    const value = of.rate.median / to.rate.median
    const paired = of.samples.map((sample, round) => rateOf(sample) / rateOf(to.samples[round]))
    return { ...bar, value, rounds: spread(paired), passed: value >= bar.bar, aimed: value >= bar.aim }
  })
}

/** A figure of one contestant, or how many times that of another it is; undefined where it was not measured. */
function figureOf({ figure, to: peer }, of, to) {
  const own = of?.figures?.[figure]?.median
  if (peer === undefined || own === undefined) return own
  const other = to?.figures?.[figure]?.median
  return other === undefined ? undefined : own / other
}

function rateOf(sample) {
  return sample.operations / sample.seconds
}
