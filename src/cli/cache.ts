import { open as openFile, pageCache } from '../file/index.js'
import { SluiceError } from '../kernel/index.js'
import { type CachedFile, lookAt, regularFiles, type Unseen } from './cache-tree.js'
import { defineCommand, UsageError } from './command.js'
import { formatBytes, formatCount } from './layout.js'
import type { Terminal } from './terminal.js'

const BAR = 20
const SHOWN = 40
/** Files that are loaded or evicted at once. */
const AT_ONCE = 16
/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 200

/** `sluice cache FILE…`: what the page cache holds of files and trees, and how to change it. */
export const cacheCommand = defineCommand({
  name: 'cache',
  summary: 'show what the page cache holds of files and trees; load or evict it',
  operands: 'FILE…',
  count: [1, Number.POSITIVE_INFINITY],
  options: {
    load: { type: 'boolean', description: 'read the files into the page cache first' },
    evict: { type: 'boolean', description: 'write back what is dirty and evict the files first' },
    all: { type: 'boolean', short: 'a', description: `list every file, not only the ${SHOWN} most cached` },
    json: { type: 'boolean', description: 'print JSON' },
  },
  details:
    'A folder stands for every file below it; links are not followed. Sizes are of whole pages, cut to the file.',
  async run({ values, positionals }, terminal) {
    if (values.load && values.evict) throw new UsageError('--load and --evict exclude each other')
    const unseen: Unseen[] = []
    const act = values.load ? loadFile : values.evict ? evictFile : undefined
    const files = await survey(positionals, unseen, act, terminal)
    const totals = sum(files)
    if (values.json) terminal.write(`${JSON.stringify({ totals, files, errors: unseen }, null, 2)}\n`)
    else report(files, totals, unseen, values.all ? files.length : SHOWN, terminal)
    return unseen.length > 0 ? 1 : 0
  },
})

type Act = (path: string) => Promise<unknown>

async function loadFile(path: string): Promise<void> {
  await using file = await openFile(path)
  await pageCache.load(file)
}

async function evictFile(path: string): Promise<void> {
  await using file = await openFile(path)
  await pageCache.evict(file)
}

async function survey(
  paths: readonly string[],
  unseen: Unseen[],
  act: Act | undefined,
  terminal: Terminal,
): Promise<CachedFile[]> {
  const files: CachedFile[] = []
  const names = regularFiles(paths, unseen)
  const progress = new Progress(terminal)
  const worker = async () => {
    for (const path of names) {
      try {
        if (act !== undefined) await act(path)
        files.push(lookAt(path))
      } catch (error) {
        // Not of this file but of all: Sluice itself cannot run.
        if (error instanceof SluiceError) throw error
        unseen.push({ path, reason: (error as Error).message })
      }
      progress.step(files.length)
    }
  }
  // One worker looks, which never waits; several act, which does.
  await Promise.all(Array.from({ length: act === undefined ? 1 : AT_ONCE }, worker))
  progress.end()
  return files.sort((a, b) => b.cached - a.cached || a.path.localeCompare(b.path))
}

class Progress {
  readonly #terminal: Terminal
  #next = performance.now() + PROGRESS_MS
  #shown = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  step(count: number): void {
    if (!this.#terminal.isTerminal || performance.now() < this.#next) return
    this.#next = performance.now() + PROGRESS_MS
    this.#shown = true
    this.#terminal.note(`\r${formatCount(count)} files`)
  }

  end(): void {
    if (this.#shown) this.#terminal.note('\r\x1b[K')
  }
}

interface Totals {
  files: number
  size: number
  cached: number
  dirty: number | undefined
}

function sum(files: readonly CachedFile[]): Totals {
  let size = 0
  let cached = 0
  let dirty: number | undefined = 0
  for (const file of files) {
    size += file.size
    cached += file.cached
    dirty = dirty === undefined || file.dirty === undefined ? undefined : dirty + file.dirty
  }
  return { files: files.length, size, cached, dirty }
}

function bar(share: number): string {
  const eighths = Math.round(share * BAR * 8)
  const partial = eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'[(eighths % 8) - 1]
  return ('█'.repeat(Math.floor(eighths / 8)) + partial).padEnd(BAR, '·')
}

function line({ size, cached, dirty }: Omit<CachedFile, 'path'>, label: string, terminal: Terminal): string {
  const share = size === 0 ? 0 : cached / size
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  const amount = `${formatBytes(cached).padStart(10)} of ${formatBytes(size).padStart(10)}`
  const changed =
    dirty === undefined || dirty === 0 ? '' : terminal.paint('yellow', ` ${formatBytes(dirty)} dirty`)
  return `${terminal.paint('green', bar(share))} ${percent} ${amount}  ${label}${changed}\n`
}

/** The end of a path says more than its beginning. */
function shorten(path: string, columns: number): string {
  return path.length <= columns ? path : `…${path.slice(path.length - columns + 1)}`
}

function report(
  files: readonly CachedFile[],
  totals: Totals,
  unseen: readonly Unseen[],
  most: number,
  terminal: Terminal,
): void {
  const room = Math.max(20, terminal.columns - BAR - 5 - 25 - 2)
  for (const file of files.slice(0, most)) terminal.write(line(file, shorten(file.path, room), terminal))
  const rest = files.slice(most)
  if (rest.length > 0) {
    terminal.write(line(sum(rest), `${formatCount(rest.length)} more files (--all lists them)`, terminal))
  }
  if (files.length > 1) {
    terminal.write(
      line(totals, terminal.paint('bold', `${formatCount(totals.files)} files in all`), terminal),
    )
  }
  for (const { path, reason } of unseen) terminal.note(`${path}: ${reason}\n`)
}
