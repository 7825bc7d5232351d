import { type Answer, GOALS, type LabReport } from '../lab/index.js'
import { disturbanceNotes, machineFacts } from './lab-facts.js'
import { labLegend, labTable } from './lab-table.js'
import { wrap } from './layout.js'
import type { Terminal } from './terminal.js'

const LABEL = 10

/** What the numbers depend on. */
function machine(report: LabReport, columns: number): string {
  return machineFacts(report)
    .map(([name, text]) => wrap(name.padEnd(LABEL), text.split(' '), columns))
    .join('\n')
}

function answer({ question, verdict, good, points }: Answer, terminal: Terminal): string {
  const style = good === undefined ? 'cyan' : good ? 'green' : 'yellow'
  const head = `${terminal.paint('bold', question)} ${terminal.paint(style, verdict)}`
  return [head, ...points.map(point => wrap('  - ', point.split(' '), terminal.columns))].join('\n')
}

/** What each mechanism of the run does, in a sentence. */
function mechanisms({ rows }: LabReport, columns: number): string {
  const about = new Map(rows.map(row => [`${row.goal.split('/')[0]} ${row.mechanism}`, row]))
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
  const notes = [...disturbanceNotes(report), ...report.notes].map(note =>
    wrap('  - ', note.split(' '), columns),
  )
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
