/** `npm run bench`: measures peers beside us. See bench/README.md. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from './build.js'
import { fail, root } from './run.js'
import { ensureDebianPackages } from './setup.js'

const HELP = `npm run bench -- [NAME]… [--case PATTERN] [--rounds N] [--seconds S] [--json]

NAME           a file of bench/, without its ending; all of them if none is named
--case PATTERN only cases whose names match this regular expression
--rounds N     how often each contestant has its turn: 5
--seconds S    how long each turn is: 0.5
--json         the results on standard output, as JSON`

const { values, positionals } = parseArguments()
if (values.help) {
  process.stdout.write(`${HELP}\n`)
  process.exit(0)
}
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
if (!Number.isInteger(rounds) || rounds < 1)
  fail(`--rounds must be a whole number from 1 on, not ${values.rounds}`)
if (!(seconds > 0 && seconds <= 600)) fail(`--seconds must be from 0 to 600, not ${values.seconds}`)

if (!(await build())) process.stderr.write('bench: the build reported errors; measuring what it wrote\n')
// What they import is there only after the build.
const { benchmarkNames, loadBenchmark } = await import('../bench/harness/benchmark.js')
const { measureBenchmark } = await import('../bench/harness/rounds.js')
const { caseReport, machineLine } = await import('../bench/harness/report.js')
const { describeMachine } = await import('../bench/harness/machine.js')

const known = benchmarkNames()
const unknown = positionals.filter(name => !known.includes(name))
if (unknown.length > 0) fail(`No benchmark is called ${unknown.join(' or ')}; there are ${known.join(', ')}`)

const progress = text => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}
const machine = describeMachine()
const reports = []
for (const name of positionals.length > 0 ? positionals : known) {
  const benchmark = await loadBenchmark(name)
  if (!values.json) process.stdout.write(`${name}: ${benchmark.about}\n${machineLine(machine)}\n\n`)
  await ensureDebianPackages(benchmark.packages ?? [])
  const onCase = result => {
    progress('')
    if (!values.json) process.stdout.write(`${caseReport(result)}\n`)
  }
  const only = new RegExp(values.case)
  const cases = await measureBenchmark(name, benchmark, { rounds, seconds, only, progress, onCase })
  reports.push({
    benchmark: name,
    about: benchmark.about,
    measured: new Date().toISOString(),
    rounds,
    seconds,
    machine,
    cases,
  })
}

const folder = join(root, 'bench/results')
mkdirSync(folder, { recursive: true })
for (const report of reports) {
  const stamp = report.measured.replaceAll(':', '').slice(0, 17)
  writeFileSync(join(folder, `${report.benchmark}-${stamp}.json`), `${JSON.stringify(report, null, 2)}\n`)
}
if (values.json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`)
const results = reports
  .flatMap(report => report.cases)
  .flatMap(({ contestants }) => Object.values(contestants))
process.exitCode = results.some(({ failed }) => failed !== undefined) ? 1 : 0

function parseArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '0.5' },
        case: { type: 'string', default: '' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`)
  }
}
