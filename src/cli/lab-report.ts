import { type Answer, GOALS, type LabReport, sizeText } from '../lab/index.js'
import { labLegend, labTable } from './lab-table.js'
import { formatBytes, wrap } from './layout.js'
import type { Terminal } from './terminal.js'

const LABEL = 10
/** Of the CPU time, what others may have before it is worth a word. */
const NOISY = 0.05

const percent = (share: number) => `${Math.round(share * 100)} %`

function labelled(label: string, text: string, columns: number): string {
  return wrap(label.padEnd(LABEL), text.split(' '), columns)
}

/** What the numbers depend on. */
function machine({ fingerprint, files }: LabReport, columns: number): string {
  const { kernel, cpu, memory, storage, node } = fingerprint
  const { device } = storage
  const disk =
    device === undefined
      ? 'no block device that can be told'
      : [
          `${device.name}${device.model === undefined ? '' : ` (${device.model})`}`,
          device.rotational ? 'rotational' : 'not rotational',
          `scheduler ${device.scheduler ?? 'unknown'}`,
          `queue of ${device.queueDepth ?? '?'}`,
        ].join(', ')
  const { read, write } = files
  const parts = []
  if (read.bytes > 0)
    parts.push(`reads the first ${sizeText(read.bytes)} of ${read.path ?? 'a temporary file'}`)
  if (write.bytes > 0) parts.push(`writes a temporary file of ${sizeText(write.bytes)} in ${write.folder}`)
  const machineText = `${cpu.count} × ${cpu.model}${cpu.virtual ? ' (virtual)' : ''}, ${formatBytes(memory.bytes)} of memory`
  return [
    labelled('kernel', kernel.release, columns),
    labelled('machine', machineText, columns),
    labelled('storage', `${storage.fileSystem} on ${storage.mountPoint}; ${disk}`, columns),
    labelled('node', `${node.version}, libuv ${node.uv}`, columns),
    labelled('lab', parts.join('; '), columns),
  ].join('\n')
}

function answer({ question, verdict, good, points }: Answer, terminal: Terminal): string {
  const style = good === undefined ? 'cyan' : good ? 'green' : 'yellow'
  const head = `${terminal.paint('bold', question)} ${terminal.paint(style, verdict)}`
  return [head, ...points.map(point => wrap('  - ', point.split(' '), terminal.columns))].join('\n')
}

/** What each mechanism of the run does, in a sentence. */
function mechanisms({ rows }: LabReport, columns: number): string {
  const about = new Map(
    rows.map(row => [`${row.goal.startsWith('write/') ? 'w' : 'r'} ${row.mechanism}`, row]),
  )
  const width = Math.max(...rows.map(({ mechanism }) => mechanism.length)) + 2
  return [...about.values()]
    .map(row => wrap(`  ${row.mechanism.padEnd(width)}`, row.about.split(' '), columns))
    .join('\n')
}

/** A report of the lab for a person: the machine, a table for each goal, the checklist, what the mechanisms are. */
export function labReportText(report: LabReport, terminal: Terminal): string {
  const { columns } = terminal
  const heading = (text: string) => terminal.paint('bold', text)
  const tables = [...new Set(report.rows.map(row => row.goal))].map(goal =>
    labTable(
      GOALS[goal],
      report.rows.filter(row => row.goal === goal),
      terminal,
    ),
  )
  const { others, stolen } = report.disturbance
  const busy = [
    ...(others > NOISY
      ? [`Other processes had ${percent(others)} of the CPU time meanwhile: expect noise.`]
      : []),
    ...(stolen > NOISY
      ? [`The host took ${percent(stolen)} of the CPU time away meanwhile: expect noise.`]
      : []),
  ]
  const notes = [...busy, ...report.notes].map(note => wrap('  - ', note.split(' '), columns))
  return [
    machine(report, columns),
    '',
    ...tables,
    labLegend(columns),
    ...(notes.length === 0 ? [] : ['', heading('Notes'), ...notes]),
    '',
    heading('Checklist'),
    '',
    report.checklist.map(each => answer(each, terminal)).join('\n\n'),
    '',
    heading('The mechanisms'),
    mechanisms(report, columns),
    '',
    `${(report.durationMs / 1000).toFixed(1)} s. What each column means and how it is measured: docs/guide/lab.md`,
    '',
  ].join('\n')
}
