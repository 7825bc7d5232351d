import { styleText } from 'node:util'

const MARKS = { pass: '✔', fail: '✖', cancelled: '✖', skipped: '﹣', todo: '…' }
/** Files in the list of the slowest. */
const SLOWEST_SHOWN = 15
const COLOURS = { pass: 'green', fail: 'red', cancelled: 'red', skipped: 'yellow', todo: 'yellow' }

/**
 * Prints what a file's tests came to: each test, or only what failed.
 *
 * @param {import('./test-file.js').FileResult} result
 * @param {boolean} everything
 */
export function printFile(result, everything) {
  const failed = hasFailed(result)
  if (!everything && !failed) return
  print(`${styled('bold', result.file)} ${styled('gray', `(${Math.round(result.duration_ms)} ms)`)}`)
  for (const test of result.tests) {
    const failure = test.outcome === 'fail' || test.outcome === 'cancelled'
    if (!everything && !failure) continue
    const indent = '  '.repeat(test.nesting + 1)
    const reason = typeof test.reason === 'string' ? ` (${test.reason})` : ''
    print(`${indent}${styled(COLOURS[test.outcome], `${MARKS[test.outcome]} ${test.name}${reason}`)}`)
    if (test.error) print(indented(test.error, `${indent}    `))
  }
  if (result.problem) print(`  ${styled('red', `✖ the file ${result.problem}`)}`)
  if (failed && result.output.trim() !== '') print(`  printed:\n${indented(result.output.trimEnd(), '    ')}`)
}

/**
 * @param {import('./test-file.js').FileResult} result
 */
function hasFailed({ problem, tests }) {
  return problem !== undefined || tests.some(test => test.outcome === 'fail' || test.outcome === 'cancelled')
}

/**
 * Counts as node:test counts: suites apart, and a file that failed as a whole is one failure.
 *
 * @param {import('./test-file.js').FileResult[]} results
 */
export function countResults(results) {
  const tests = results.flatMap(result => result.tests)
  const problems = results.filter(result => result.problem !== undefined).length
  const cases = tests.filter(test => !test.suite)
  const count = outcome => cases.filter(test => test.outcome === outcome).length
  // A suite whose own hook failed has an error; one that only holds a failed test has none.
  const suiteFailures = tests.filter(test => test.suite && test.error !== undefined).length
  return {
    tests: cases.length + problems + suiteFailures,
    suites: tests.length - cases.length,
    pass: count('pass'),
    fail: count('fail') + problems + suiteFailures,
    cancelled: count('cancelled'),
    skipped: count('skipped'),
    todo: count('todo'),
  }
}

/**
 * Prints each skipped test with its reason and the passes that skipped it.
 *
 * @param {{ pass: string, results: import('./test-file.js').FileResult[] }[]} runs
 */
export function printSkips(runs) {
  const skips = new Map()
  for (const { pass, results } of runs) {
    for (const { file, tests } of results) {
      for (const { name, reason } of tests.filter(test => test.outcome === 'skipped')) {
        const key = `${name} (${file}): ${reason}`
        skips.set(key, [...(skips.get(key) ?? []), pass])
      }
    }
  }
  if (skips.size === 0) return
  print('\nSkipped:')
  for (const [key, passes] of skips) print(`  ${key} [${passes.join(', ')}]`)
}

/**
 * Prints what failed, with its pass, once more at the end: whoever sees only the end of a long run sees this.
 *
 * @param {{ pass: string, results: import('./test-file.js').FileResult[] }[]} runs
 */
export function printFailures(runs) {
  for (const { pass, results } of runs) {
    for (const result of results.filter(hasFailed)) {
      print(`\nFailed [${pass}]:`)
      printFile(result, false)
    }
  }
}

/**
 * Prints the files that took longest, over all passes: where to look when the suite has become slow.
 *
 * @param {{ pass: string, results: import('./test-file.js').FileResult[] }[]} runs
 */
export function printSlowest(runs) {
  const times = new Map()
  for (const { pass, results } of runs) {
    for (const { file, duration_ms } of results) {
      const time = times.get(file) ?? { total_ms: 0, passes: [] }
      time.total_ms += duration_ms
      time.passes.push(`${pass} ${seconds(duration_ms)}`)
      times.set(file, time)
    }
  }
  if (times.size <= SLOWEST_SHOWN) return
  const slowest = [...times]
    .sort(([, one], [, other]) => other.total_ms - one.total_ms)
    .slice(0, SLOWEST_SHOWN)
  print('\nSlowest files, in seconds:')
  for (const [file, { total_ms, passes }] of slowest) {
    print(`  ${seconds(total_ms).padStart(6)}  ${file} (${passes.join(', ')})`)
  }
}

function seconds(duration_ms) {
  return (duration_ms / 1000).toFixed(1)
}

/**
 * @param {string} text
 */
export function print(text) {
  process.stdout.write(`${text}\n`)
}

/**
 * @param {import('node:util').InspectColor} style
 * @param {string} text
 */
export function styled(style, text) {
  return process.stdout.isTTY ? styleText(style, text) : text
}

function indented(text, indent) {
  return text.replaceAll(/^/gm, indent)
}
