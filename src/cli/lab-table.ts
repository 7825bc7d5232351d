import { type RowReport, type RowResult, shortText, sizeText } from '../lab/index.js'
import { wrap } from './layout.js'
import type { Terminal } from './terminal.js'

/** A column of numbers. */
interface Column {
  heading: string
  width: number
  /** How the number was come by. */
  method(result: RowResult): string | undefined
  value(result: RowResult): number | null | undefined
  /** {@link shortText} if left out. */
  text?(value: number): string
}

/** Neighbouring columns, with what is written over them. */
interface Section {
  title: string
  columns: readonly Column[]
}

const NAME = 17
const SIZE = 5
const DEPTH = 5
const HEAD = NAME + SIZE + DEPTH
const NUMBER = 6
const MIB = 2 ** 20
const NS_PER_US = 1000

/** Letters that stand under the headings, by method. */
export const METHOD_LETTERS: Record<string, [letter: string, meaning: string]> = {
  clock: ['C', 'the clock'],
  tracepoint: ['T', 'a tracepoint, which sees every one'],
  perf: ['P', 'a counter of perf'],
  getrusage: ['R', 'getrusage(2)'],
  procfs: ['F', 'files of /proc'],
  derived: ['D', 'derived from how the mechanism works, not measured'],
}

const microseconds = (ns: number | null) => (ns === null ? null : ns / NS_PER_US)

function clocked(heading: string, value: Column['value']): Column {
  return { heading, width: NUMBER, method: () => 'clock', value }
}

/** A column whose numbers say themselves how they were come by. */
function costing(heading: string, name: keyof RowResult['cost']): Column {
  return {
    heading,
    width: NUMBER,
    method: ({ cost }) => cost[name]?.method,
    value({ cost }) {
      const measured = cost[name]
      return measured?.value
    },
  }
}

const SPEED: readonly Section[] = [
  { title: '', columns: [clocked('MiB/s', ({ bytesPerSecond }) => bytesPerSecond.median / MIB)] },
  { title: '', columns: [clocked('op/s', ({ operationsPerSecond }) => operationsPerSecond.median)] },
  {
    title: 'latency in µs',
    columns: [
      clocked('p50', ({ latencyNs }) => microseconds(latencyNs.p50)),
      clocked('p99', ({ latencyNs }) => microseconds(latencyNs.p99)),
      clocked('p99.9', ({ latencyNs }) => microseconds(latencyNs.p999)),
    ],
  },
]

const percent = (ratio: number) => `${Math.round(ratio * 100)}`

const COST: readonly Section[] = [
  {
    title: 'sys. calls',
    columns: [costing('/op', 'systemCallsPerOperation'), costing('/MiB', 'systemCallsPerMiB')],
  },
  {
    title: 'switches',
    columns: [costing('/op', 'contextSwitchesPerOperation'), costing('/MiB', 'contextSwitchesPerMiB')],
  },
  {
    title: 'CPU µs/op',
    columns: [costing('user', 'userUsPerOperation'), costing('sys', 'systemUsPerOperation')],
  },
  { title: '', columns: [{ ...costing('cp', 'kernelCopies'), width: 3, text: String }] },
  { title: '', columns: [{ ...costing('hit', 'cacheHitRatio'), width: 4, text: percent }] },
]

/** Every column with a number, as the tables have them. */
export const LAB_SECTIONS: readonly Section[] = [...SPEED, ...COST]

const widthOf = (columns: readonly Column[]) => columns.reduce((sum, { width }) => sum + width, 0)

function headings(sections: readonly Section[]): [string, string] {
  const titles = sections.map(({ title, columns }) => title.padStart(widthOf(columns)))
  const names = sections.flatMap(({ columns }) =>
    columns.map(({ heading, width }) => heading.padStart(width)),
  )
  return [
    `${''.padEnd(HEAD)}${titles.join('')}`,
    `${'mechanism'.padEnd(NAME)}${'size'.padStart(SIZE)}${'deep'.padStart(DEPTH)}${names.join('')}`,
  ]
}

/** The letters of a column's methods, in these rows. */
function methodLine(sections: readonly Section[], rows: readonly RowReport[]): string {
  const results = rows.flatMap(({ result }) => result ?? [])
  const letters = sections.flatMap(({ columns }) =>
    columns.map(({ method, width }) => {
      const used = new Set(results.map(method).filter(name => name !== undefined))
      return [...used]
        .map(name => METHOD_LETTERS[name]?.[0] ?? '?')
        .join('')
        .padStart(width)
    }),
  )
  return `${'measured by'.padEnd(HEAD)}${letters.join('')}`
}

/** `4 KiB` as the table's second column has it. */
const shortSize = (bytes: number) =>
  sizeText(bytes).replace(/ (B|[KMGT]iB)/, (_, unit: string) => unit.slice(0, 1))

function headOf(row: RowReport): string {
  const depth = row.depth === 1 ? '' : `×${row.depth}`
  return `${row.mechanism.padEnd(NAME)}${shortSize(row.size).padStart(SIZE)}${depth.padStart(DEPTH)}`
}

function line(row: RowReport, sections: readonly Section[], columns: number): string {
  const { result, reason = '' } = row
  if (result === undefined) return wrap(`${headOf(row)}  `, `not run: ${reason}`.split(' '), columns)
  const numbers = sections.flatMap(section =>
    section.columns.map(({ value, width, text = shortText }) => {
      const number = value(result)
      return (number === null || number === undefined ? '–' : text(number)).padStart(width)
    }),
  )
  return `${headOf(row)}${numbers.join('')}`
}

/**
 * The rows of one goal as a table: aligned, with the method under every heading. On fewer than a hundred columns it is
 * two tables, one under the other.
 */
export function labTable(title: string, rows: readonly RowReport[], terminal: Terminal): string {
  const { columns } = terminal
  const fits = HEAD + widthOf(LAB_SECTIONS.flatMap(section => section.columns)) <= columns
  const lines: string[] = []
  for (const sections of fits ? [LAB_SECTIONS] : [SPEED, COST]) {
    const [titles, names] = headings(sections)
    const first = `${terminal.paint('bold', title)}${titles.slice(title.length)}`
    lines.push(
      title.length <= titles.length - titles.trimStart().length
        ? first
        : `${terminal.paint('bold', title)}\n${titles}`,
    )
    lines.push(names, terminal.paint('dim', methodLine(sections, rows)))
    for (const row of rows) lines.push(line(row, sections, columns))
    lines.push('')
  }
  return lines.map(each => each.trimEnd()).join('\n')
}

/** What the columns mean. */
export const COLUMNS_TEXT =
  'size: bytes of an operation; deep: operations in flight; latency: from beginning an operation to knowing of its end; calls and switches: of the whole process; cp: copies by the kernel of each byte; hit: per cent of the bytes that the page cache had. Medians of the laps.'

/** What the table's columns and letters mean. */
export function labLegend(columns: number): string {
  const letters = Object.values(METHOD_LETTERS).map(([letter, meaning]) => `${letter} ${meaning}`)
  return [
    ['Columns:', COLUMNS_TEXT],
    ['Measured by:', `${letters.join('; ')}. "–": too few operations to tell, or not applicable.`],
  ]
    .map(([label = '', text = '']) => wrap(`${label.padEnd(13)}`, text.split(' '), columns))
    .join('\n')
}
