/** `npm test`: sets up, builds, and runs every test file in each pass. See docs/internals/testing.md. */
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { build, listFiles } from './build.js'
import { fail, root } from './run.js'
import { runTestFile } from './test-file.js'
import { COVERAGE, disposePass, PASSES, preparePass } from './test-passes.js'
import {
  countResults,
  print,
  printFailures,
  printFile,
  printSkips,
  printSlowest,
  styled,
} from './test-print.js'

const HELP = `npm test -- [--quick] [--pass NAME]… [--coverage] [--verbose] [--no-build] [PATTERN]…

PATTERN     only test files whose path has one of these in it
--quick     only the first pass: this user, this Node, io_uring where the kernel has it
--coverage  have the first pass say what of src/ it ran, in coverage/; it takes longer then
--pass NAME only this pass: ${PASSES.map(pass => `"${pass.name}"`).join(', ')}
--verbose   print every test of every pass; otherwise the later ones print what failed
--no-build  run what was built before`

/** Test files that change the whole machine (a sysctl, a limit): nothing else runs beside them. */
const ALONE = /\.alone\.test\.js$/

/** On two processors too: files wait for the disk, for timers and for the processes they started. */
const FEWEST_AT_ONCE = 3

const { values: options, positionals: patterns } = parseArguments()
if (options.help) {
  print(HELP)
  process.exit(0)
}

const started = performance.now()
const definitions = choosePasses()
if (!options['no-build']) {
  const sanitize = definitions.some(pass => pass.name === 'sanitizers')
  if (!(await build({ sanitize }))) fail('The build failed, so no test was run.')
}
const files = findTestFiles()
if (files.length === 0) fail(`No test file matches ${patterns.join(' ')}`)

const runs = []
for (const definition of definitions) runs.push(await runPass(definition))
report()

function parseArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: 'boolean' },
        pass: { type: 'string', multiple: true },
        coverage: { type: 'boolean' },
        verbose: { type: 'boolean' },
        'no-build': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    return fail(`${error.message}\n\n${HELP}`)
  }
}

function choosePasses() {
  const names = options.pass ?? (options.quick ? [PASSES[0].name] : PASSES.map(pass => pass.name))
  const chosen = PASSES.filter(pass => names.includes(pass.name))
  if (chosen.length < new Set(names).size) fail(HELP)
  return chosen
}

function findTestFiles() {
  // Suites that cross folders take longer, so they begin: the end of a pass is short then.
  const all = ['build/test', 'dist'].flatMap(folder =>
    listFiles(join(root, folder), '.test.js').map(name => `${folder}/${name}`),
  )
  return patterns.length === 0 ? all : all.filter(file => patterns.some(pattern => file.includes(pattern)))
}

async function runPass(definition) {
  print(`\n${styled('bold', `── ${definition.name} ──`)}`)
  const begun = performance.now()
  const pass = await preparePass(definition)
  if (typeof pass === 'string') {
    print(`not run: ${pass}`)
    return { pass: definition.name, results: [], reason: pass }
  }
  const dispose = () => disposePass(pass)
  process.once('exit', dispose) // An interrupt ends us through it too.
  const coverage = options.coverage && definition === PASSES[0]
  if (coverage) {
    rmSync(COVERAGE, { recursive: true, force: true })
    pass.env.NODE_V8_COVERAGE = COVERAGE
  }
  const results = await runFiles(pass, options.verbose || definition === PASSES[0])
  if (coverage) reportCoverage()
  process.off('exit', dispose)
  dispose()
  const { pass: passed, fail: failed, cancelled, skipped } = countResults(results)
  const seconds = Math.round((performance.now() - begun) / 1000)
  const counts = `${passed} passed, ${failed + cancelled} failed, ${skipped} skipped`
  print(`${definition.name}: ${results.length} files in ${seconds} s, ${counts}`)
  return { pass: definition.name, results }
}

async function runFiles(pass, everything) {
  const chosen = longestFirst(files.filter(pass.takes))
  const together = chosen.filter(file => !ALONE.test(file))
  const results = []
  const worker = async () => {
    for (let file = together.shift(); file !== undefined; file = together.shift()) await runOne(file)
  }
  const runOne = async file => {
    const result = await runTestFile(file, pass)
    printFile(result, everything)
    results.push(result)
  }
  await Promise.all(Array.from({ length: Math.max(FEWEST_AT_ONCE, availableParallelism() - 1) }, worker))
  for (const file of chosen.filter(file => ALONE.test(file))) await runOne(file)
  await runFailuresAlone(pass, results)
  return results
}

/** By what the passes before have taken: a long file that begins last would run by itself. */
function longestFirst(chosen) {
  const times = new Map(
    runs.flatMap(({ results }) => results.map(({ file, duration_ms }) => [file, duration_ms])),
  )
  return chosen.toSorted((one, other) => (times.get(other) ?? 0) - (times.get(one) ?? 0))
}

/**
 * What failed beside other files is run once more by itself: on a crowded machine two suites can be in each other's way.
 * That it took a second run is said aloud; what fails alone has failed.
 */
async function runFailuresAlone(pass, results) {
  for (const [index, { file }] of results.entries()) {
    const { fail, cancelled } = countResults([results[index]])
    if (fail + cancelled === 0) continue
    const again = await runTestFile(file, pass)
    const second = countResults([again])
    const verdict =
      second.fail + second.cancelled === 0
        ? 'passed alone, after it had failed beside others'
        : 'failed again'
    print(styled('yellow', `${file} ${verdict}`))
    printFile(again, false)
    results[index] = again
  }
}

/** Of the TypeScript, through the source maps. The tests themselves do not count. */
function reportCoverage() {
  const reporters = ['text-summary', 'html', 'lcovonly'].map(name => `--reporter=${name}`)
  const filters = [
    '--include=src/**',
    '--exclude=**/*.test.ts',
    '--exclude-after-remap',
    '--all',
    '--src=src',
  ]
  const c8 = ['node_modules/c8/bin/c8.js', 'report', `--temp-directory=${COVERAGE}`, ...reporters, ...filters]
  const { status } = spawnSync(process.execPath, c8, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0) print('coverage: c8 could not make its report')
}

function report() {
  printSkips(runs)
  printSlowest(runs)
  printFailures(runs)
  const unable = runs.filter(run => run.reason !== undefined)
  for (const { pass, reason } of unable) print(`\nPass "${pass}" not run: ${reason}`)
  const total = countResults(runs.flatMap(run => run.results))
  print('')
  for (const [name, count] of Object.entries(total)) print(`# ${name} ${count}`)
  print(`# duration_ms ${Math.round(performance.now() - started)}`)
  const failed = total.fail + total.cancelled
  print(`${total.pass} passed, ${failed} failed, ${total.skipped} skipped`)
  process.exitCode = failed > 0 || total.tests === 0 ? 1 : 0
}
