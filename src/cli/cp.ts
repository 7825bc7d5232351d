import { lstatSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  type CopyOptions,
  type CopyPair,
  type CopyProgress,
  type CopyReport,
  copyPaths,
} from '../file/index.js'
import { defineCommand, UsageError } from './command.js'
import { interruptible } from './interruptible.js'
import { formatBytes, formatCount } from './layout.js'
import type { Terminal } from './terminal.js'

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
  count: [2, Number.POSITIVE_INFINITY],
  options: {
    recursive: { type: 'boolean', short: 'r', description: 'copy folders and what is in them' },
    archive: {
      type: 'boolean',
      short: 'a',
      description: 'as -r; keep times, owners, modes, attributes and hard links',
    },
    reflink: { type: 'string', argument: 'WHEN', description: 'share extents: auto, always or never' },
    json: { type: 'boolean', description: 'print the report as JSON' },
  },
  details: `
If DST is a folder, copies go into it. A file has its new name only when it is complete, and then replaces what had
it; holes stay holes. What fails is named, and the rest is copied: the exit status is 1 then. Interrupted, it removes
what it has begun; a second signal ends it at once.`,
  async run({ values, positionals }, terminal) {
    const { recursive, archive = false, reflink = 'auto', json } = values
    if (!REFLINK.includes(reflink))
      throw new UsageError(`--reflink is auto, always or never, not '${reflink}'`)
    const trees = recursive === true || archive
    const pairs = pairsOf(positionals)
    const began = now()
    const progress = new Progress(terminal, trees ? undefined : totalSize(pairs))
    const outcome = await interruptible(signal =>
      copyPaths(pairs, {
        preserve: archive,
        reflink: reflink as NonNullable<CopyOptions['reflink']>,
        follow: !trees,
        filesOnly: !trees,
        signal,
        onProgress: terminal.isTerminal ? state => progress.show(state) : () => {},
      }),
    ).finally(() => progress.end())
    if ('status' in outcome) {
      terminal.note('sluice cp: interrupted; what was begun has been removed\n')
      return outcome.status
    }
    const report = outcome.result
    if (json) terminal.write(`${JSON.stringify(printable(report), null, 2)}\n`)
    else if (terminal.isTerminal) terminal.note(summary(report, now() - began))
    for (const { error, path } of report.failures) {
      terminal.note(`sluice cp: ${path}: ${error.message}${hint(error, trees)}\n`)
    }
    return report.failures.length > 0 ? 1 : 0
  },
})

/** What an error of cp's own making means. */
function hint({ code, syscall }: NodeJS.ErrnoException, trees: boolean): string {
  if (syscall !== 'copyfile') return ''
  if (code === 'EISDIR' && !trees) return ' (-r copies folders)'
  if (code === 'EINVAL') return ' (they are the same file)'
  if (code === 'EEXIST') return ' (a device, or just made by this copy: it is not replaced)'
  return ''
}

function pairsOf(operands: readonly string[]): CopyPair[] {
  const target = operands.at(-1) as string
  const sources = operands.slice(0, -1)
  const isFolder = statSync(target, { throwIfNoEntry: false })?.isDirectory() === true
  if (!isFolder && sources.length > 1) throw new Error(`${target}: no such folder`)
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
