import { open as openFile, pageCache } from '../file/index.js'
import { SluiceError } from '../kernel/index.js'
import { type CachedFile, lookAt, regularFiles, SeenFiles, type Unseen } from './cache-tree.js'
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
    'A folder stands for every file below it; links are not followed. A file of several names counts once. Sizes are of whole pages, cut to the file.',
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

type Act = (path: string | Uint8Array) => Promise<unknown>

async function loadFile(path: string | Uint8Array): Promise<void> {
  await using file = await openFile(path)
  await pageCache.load(file)
}

async function evictFile(path: string | Uint8Array): Promise<void> {
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
  const seen = new SeenFiles()
  const progress = new Progress(terminal)
  const worker = async () => {
    for (let next = await names.next(); next.done !== true; next = await names.next()) {
      const path = next.value
      try {
        if (act !== undefined) await act(path)
        const file = lookAt(path, seen)
        if (file !== undefined) files.push(file)
      } catch (error) {
        // Not of this file but of all: Sluice itself cannot run.
        if (error instanceof SluiceError) throw error
        unseen.push({ path: Buffer.from(path).toString(), reason: (error as Error).message })
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

/** Of one file, or of many; what is not told of every one of them is undefined. */
type Amounts = Pick<CachedFile, 'size' | 'cached' | 'dirty' | 'writeback' | 'evicted'>

interface Totals extends Amounts {
  files: number
}

function sum(files: readonly CachedFile[]): Totals {
  const add = (one: number | undefined, other: number | undefined) =>
    one === undefined || other === undefined ? undefined : one + other
  const totals: Totals = { files: files.length, size: 0, cached: 0, dirty: 0, writeback: 0, evicted: 0 }
  for (const file of files) {
    totals.size += file.size
    totals.cached += file.cached
    totals.dirty = add(totals.dirty, file.dirty)
    totals.writeback = add(totals.writeback, file.writeback)
    totals.evicted = add(totals.evicted, file.evicted)
  }
  return totals
}

function bar(share: number): string {
  const eighths = Math.round(share * BAR * 8)
  const partial = eighths % 8 === 0 ? '' : '▏▎▍▌▋▊▉'[(eighths % 8) - 1]
  return ('█'.repeat(Math.floor(eighths / 8)) + partial).padEnd(BAR, '·')
}

function line({ size, cached, ...rest }: Amounts, label: string, terminal: Terminal): string {
  const share = size === 0 ? 0 : cached / size
  const percent = `${Math.floor(share * 100)}%`.padStart(4)
  const amount = `${formatBytes(cached).padStart(10)} of ${formatBytes(size).padStart(10)}`
  const told = (bytes: number | undefined, what: string) =>
    bytes === undefined || bytes === 0 ? '' : terminal.paint('yellow', ` ${formatBytes(bytes)} ${what}`)
  const more = `${told(rest.dirty, 'dirty')}${told(rest.writeback, 'being written')}${told(rest.evicted, 'evicted')}`
  return `${terminal.paint('green', bar(share))} ${percent} ${amount}  ${label}${more}\n`
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
  const foreign = files.filter(file => file.foreign).length
  if (foreign > 0) {
    const whose = `${formatCount(foreign)} of these are somebody else's`
    terminal.note(`${whose}: of them the kernel says that all is cached, whether or not it is\n`)
  }
  for (const { path, reason } of unseen) terminal.note(`${path}: ${reason}\n`)
}
