import { accessSync, constants, existsSync, realpathSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { csv, runLab } from '../lab/index.js'
import { defineCommand, UsageError } from './command.js'
import { interruptible } from './interruptible.js'
import { labPage } from './lab-page/page.js'
import { ProgressBar } from './lab-progress.js'
import { labReportText } from './lab-report.js'

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }
/** Standard output, instead of the tables. */
const STDOUT = '-'

/** `64M`, `1.5GiB`, `4096` as bytes. */
function bytesOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text)
  const bytes =
    match === null ? 0 : Math.floor(Number(match[1]) * (UNITS[(match[2] ?? '').toUpperCase()] ?? 1))
  if (bytes < 1) throw new UsageError(`--size takes bytes such as 64M or 1GiB, not '${text}'`)
  return bytes
}

/** Wrong arguments of the user's, which the lab finds by looking at the file and the rows. */
function usage(error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_INVALID_ARG_VALUE' || code === 'ERR_OUT_OF_RANGE')
    throw new UsageError(message, { cause: error })
  throw error
}

/** Where a report goes: not onto the file that is measured, and where it can be written, before a minute is spent. */
function checkOutput(option: string, path: string | undefined, file: string | undefined): void {
  if (path === undefined || path === STDOUT) return
  try {
    const there = existsSync(path)
    accessSync(there ? path : dirname(resolve(path)), constants.W_OK)
    if (there && statSync(path).isDirectory()) throw new Error('it is a directory')
    if (there && file !== undefined && realpathSync(path) === realpathSync(file))
      throw new Error('it is FILE itself')
  } catch (error) {
    throw new UsageError(`--${option} cannot write ${path}: ${(error as Error).message}`, { cause: error })
  }
}

/** `sluice lab [FILE]`: every mechanism, measured side by side on this machine. */
export const labCommand = defineCommand({
  name: 'lab',
  summary: 'measure how this machine moves the bytes of a file, through every mechanism, side by side',
  operands: '[FILE]',
  count: [0, 1],
  options: {
    quick: { type: 'boolean', description: 'within some ten seconds rather than a minute' },
    only: {
      type: 'string',
      argument: 'PATTERN',
      description: 'only rows like this: "ring", "cached/random", "readSync*4 KiB"',
    },
    size: { type: 'string', argument: 'N', description: 'bytes of the file to use: 64M, 1GiB' },
    json: {
      type: 'string',
      argument: 'FILE',
      description: 'write everything to FILE as JSON too; - for standard output, alone',
    },
    html: {
      type: 'string',
      argument: 'FILE',
      description: 'write a page with table and charts to FILE too; - for standard output, alone',
    },
    csv: {
      type: 'string',
      argument: 'FILE',
      description: 'write the rows to FILE as CSV too; - for standard output, alone',
    },
  },
  details:
    'FILE is only read. Without one, a temporary file is made. Writing is measured on a temporary file\nin any case. The page cache is told to forget FILE, to measure reading from the device.',
  async run({ values, positionals }, terminal) {
    checkOutput('json', values.json, positionals[0])
    checkOutput('csv', values.csv, positionals[0])
    checkOutput('html', values.html, positionals[0])
    const outputs = [values.json, values.csv, values.html]
    if (outputs.filter(path => path === STDOUT).length > 1) {
      throw new UsageError('standard output takes one of --json, --csv and --html')
    }
    const bar = new ProgressBar(terminal)
    const size = values.size === undefined ? undefined : bytesOf(values.size)
    const outcome = await interruptible(signal =>
      runLab({
        file: positionals[0],
        size,
        quick: values.quick,
        only: values.only,
        signal,
        onProgress: progress => bar.show(progress),
      }),
    )
      .finally(() => bar.clear())
      .catch(usage)
    if ('status' in outcome) {
      terminal.note('sluice lab: interrupted; what was made has been removed\n')
      return outcome.status
    }
    const report = outcome.result
    const results: [string | undefined, () => string][] = [
      [values.json, () => `${JSON.stringify(report, null, 2)}\n`],
      [values.csv, () => csv(report)],
      [values.html, () => labPage(report)],
    ]
    const [, shown = () => labReportText(report, terminal)] = results.find(([path]) => path === STDOUT) ?? []
    // First what cannot fail: a full disk must not take the minute's result with it.
    terminal.write(shown())
    const failures: unknown[] = []
    for (const [path, text] of results) {
      try {
        if (path !== undefined && path !== STDOUT) writeFileSync(path, text())
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
    return report.rows.some(({ result }) => result !== undefined) ? 0 : 1
  },
})
