import { lstatSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  type CopyOptions,
  type CopyPair,
  type CopyPathsOptions,
  type CopyProgress,
  type CopyReport,
  copyPaths,
} from '../file/index.js'
import { defineCommand, UsageError } from './command.js'
import { interruptible } from './interruptible.js'
import { formatBytes, formatCount } from './layout.js'
import { showsNotes, type Terminal } from './terminal.js'

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 100
const REFLINK: readonly string[] = ['auto', 'always', 'never']

/** Milliseconds of a steady clock. Node loads a dozen modules for `performance`. */
function now(): number {
  return process.uptime() * 1000
}

/** `sluice cp SRC… DST`: copies files and trees. */
export const cpCommand = defineCommand({
  name: 'cp',
  summary: 'copy files and trees, sharing extents or inside the kernel',
  operands: 'SRC… DST',
  count: [1, Number.POSITIVE_INFINITY],
  options: {
    recursive: { type: 'boolean', short: 'r', alias: 'R', description: 'copy folders and what is in them' },
    archive: {
      type: 'boolean',
      short: 'a',
      description: 'as -r -p',
    },
    preserve: {
      type: 'boolean',
      short: 'p',
      description: 'keep times, owners, modes, attributes and hard links',
    },
    'no-clobber': { type: 'boolean', short: 'n', description: 'leave what is there' },
    update: { type: 'boolean', short: 'u', description: 'replace only what is older than its source' },
    force: { type: 'boolean', short: 'f', description: 'for those who are used to it: it changes nothing' },
    'target-directory': { type: 'string', short: 't', argument: 'DIR', description: 'copy all into DIR' },
    'no-target-directory': {
      type: 'boolean',
      short: 'T',
      description: 'DST is the new name, also of a folder',
    },
    'one-file-system': { type: 'boolean', short: 'x', description: 'stay on the file system of each SRC' },
    verbose: { type: 'boolean', short: 'v', description: 'name what has been copied' },
    reflink: { type: 'string', argument: 'WHEN', description: 'share extents: auto, always or never' },
    json: { type: 'boolean', description: 'print the report as JSON' },
  },
  details: `
If DST is a folder, copies go into it. A file has its new name only when it is complete, and then replaces what had
it; holes stay holes. Without -r, devices and FIFOs are read until they end. What fails is named, and the rest is
copied: the exit status is 1 then. Interrupted, it removes what it has begun; a second signal ends it at once.`,
  async run({ values, positionals }, terminal) {
    const { recursive, archive, preserve, reflink = 'auto', json } = values
    if (!REFLINK.includes(reflink))
      throw new UsageError(`--reflink is auto, always or never, not '${reflink}'`)
    const trees = recursive === true || archive === true
    const pairs = pairsOf(positionals, values['target-directory'], values['no-target-directory'] === true)
    const began = now()
    const isWatched = showsNotes()
    const progress = new Progress(terminal, trees ? undefined : totalSize(pairs))
    const say = (text: string) => (json ? terminal.note(text) : terminal.write(text))
    const options: CopyPathsOptions = {
      preserve: archive === true || preserve === true,
      reflink: reflink as NonNullable<CopyOptions['reflink']>,
      overwrite: values['no-clobber'] ? 'never' : values.update ? 'older' : 'always',
      oneFileSystem: values['one-file-system'] === true,
      follow: !trees,
      filesOnly: !trees,
      onProgress: isWatched ? state => progress.show(state) : () => {},
      ...(values.verbose && { onCopied: (from, to) => say(`'${from}' -> '${to}'\n`) }),
    }
    const outcome = await interruptible(signal => copyPaths(pairs, { ...options, signal })).finally(() =>
      progress.end(),
    )
    if ('status' in outcome) {
      for (const line of interrupted(outcome.error)) terminal.note(`sluice cp: ${line}\n`)
      return outcome.status
    }
    const report = outcome.result
    if (json) terminal.write(`${JSON.stringify(printable(report), null, 2)}\n`)
    else if (isWatched) terminal.note(summary(report, now() - began))
    for (const { error, path } of report.failures) {
      terminal.note(`sluice cp: ${path}: ${error.message}${hint(error, trees)}\n`)
    }
    return report.failures.length > 0 ? 1 : 0
  },
})

/** What is said after a signal: what was begun has been removed, or what has not and why. */
function interrupted(error: unknown): string[] {
  const { cause } = error as Error
  if (!(cause instanceof AggregateError)) return ['interrupted; what was begun has been removed']
  return [
    'interrupted',
    ...cause.errors.map(failure => `what was begun is left: ${(failure as Error).message}`),
  ]
}

/** What an error of cp's own making means. */
function hint({ code, syscall }: NodeJS.ErrnoException, trees: boolean): string {
  if (syscall !== 'copyfile') return ''
  if (code === 'EISDIR' && !trees) return ' (-r copies folders)'
  if (code === 'EINVAL') return ' (they are the same file)'
  if (code === 'EEXIST') return ' (a device, or just made by this copy: it is not replaced)'
  return ''
}

/**
 * Which path goes where.
 *
 * @param into the folder that all go into, where it is named as such
 * @param isName takes the last operand for the new name, whatever is there
 */
function pairsOf(operands: readonly string[], into: string | undefined, isName: boolean): CopyPair[] {
  if (into !== undefined && isName) throw new UsageError('-t and -T exclude each other')
  const [target, sources] =
    into === undefined ? [operands.at(-1) as string, operands.slice(0, -1)] : [into, operands]
  if (sources.length === 0) throw new UsageError('DST is missing')
  if (isName && sources.length > 1)
    throw new UsageError(`Unexpected argument '${operands[2]}': -T takes one SRC`)
  const isFolder = !isName && statSync(target, { throwIfNoEntry: false })?.isDirectory() === true
  if (!isFolder && (into !== undefined || sources.length > 1)) throw new Error(`${target}: no such folder`)
  return sources.map(from => {
    const name = basename(from)
    // What has no name of its own is copied as the folder itself.
    const isNamed = name !== '' && name !== '.' && name !== '..'
    return { from, to: isFolder && isNamed ? join(target, name) : target }
  })
}

/** Bytes of files that are all named, for a percentage. */
function totalSize(pairs: readonly CopyPair[]): number {
  const sizes = pairs.map(({ from }) => lstatSync(from as string, { throwIfNoEntry: false })?.size ?? 0)
  return sizes.reduce((sum, size) => sum + size, 0)
}

class Progress {
  readonly #terminal: Terminal
  readonly #total: number | undefined
  readonly #began = now()
  #next = this.#began + PROGRESS_MS
  #shown = false

  constructor(terminal: Terminal, total: number | undefined) {
    this.#terminal = terminal
    this.#total = total
  }

  show({ files, bytes }: CopyProgress): void {
    const at = now()
    if (at < this.#next) return
    this.#next = at + PROGRESS_MS
    this.#shown = true
    const rate = formatBytes(Math.round(bytes / ((at - this.#began) / 1000)))
    const done = this.#total
      ? `${Math.floor((bytes / this.#total) * 100)}% of ${formatBytes(this.#total)}`
      : `${formatCount(files)} files, ${formatBytes(bytes)}`
    this.#terminal.note(`\r\x1b[K${done}, ${rate}/s`)
  }

  end(): void {
    if (this.#shown) this.#terminal.note('\r\x1b[K')
  }
}

function summary({ files, bytes, methods }: CopyReport, took: number): string {
  const ways = Object.keys(methods).join(', ')
  const seconds = (took / 1000).toFixed(took < 10_000 ? 2 : 0)
  return `${formatCount(files)} files, ${formatBytes(bytes)} in ${seconds} s${ways === '' ? '' : ` (${ways})`}\n`
}

function printable(report: CopyReport) {
  const failures = report.failures.map(({ path, dest, error }) => {
    return { path, dest, code: error.code, message: error.message }
  })
  return { ...report, failures }
}
