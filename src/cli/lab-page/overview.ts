import { GOALS, type Goal, type LabReport, plainText } from '../../lab/index.js'
import { shapeText } from './chart.js'
import {
  bestRow,
  MEASURES,
  type Measure,
  type MeasuredRow,
  measuredRows,
  standing,
  timesText,
} from './comparison.js'
import { type Html, html } from './html.js'

const [THROUGHPUT] = MEASURES as readonly [Measure]
const CPU = MEASURES.find(({ id }) => id === 'cpu') as Measure

/** A goal's best rows. */
interface Best {
  goal: Goal
  /** Of Node's own; undefined where none ran. */
  node: MeasuredRow | undefined
  /** Of Sluice's. */
  ours: MeasuredRow | undefined
  /** The one that takes the least CPU time. */
  leanest: MeasuredRow
}

/** The best rows of each goal that has any. */
export function bests({ rows }: LabReport): Best[] {
  return [...new Set(rows.map(row => row.goal))].flatMap(goal => {
    const measured = measuredRows(rows.filter(row => row.goal === goal))
    const leanest = bestRow(measured, CPU)
    if (leanest === undefined) return []
    const best = (node: boolean) =>
      bestRow(
        measured.filter(row => row.node === node),
        THROUGHPUT,
      )
    return [{ goal, node: best(true), ours: best(false), leanest }]
  })
}

const beside = ({ node, ours }: Best) =>
  node === undefined || ours === undefined ? undefined : standing(ours, node, THROUGHPUT)

/** In a sentence, in how many goals something of ours is faster, and in how many it is not. */
export function verdictText(all: readonly Best[]): string {
  const standings = all.flatMap(best => beside(best) ?? [])
  if (standings.length === 0) return ''
  const count = (verdict: string) => {
    const goals = standings.filter(each => each.verdict === verdict).length
    return goals === 0 ? 'none' : String(goals)
  }
  return `In ${count('win')} of ${standings.length} goals the best of what Sluice adds is faster than the best that Node has. In ${count('even')} they cannot be told apart, in ${count('loss')} it is slower.`
}

const speed = (row: MeasuredRow) => plainText(row.result.bytesPerSecond.median / 2 ** 20)

function cell(label: string, row: MeasuredRow | undefined, number: (row: MeasuredRow) => string): Html {
  if (row === undefined) return html`<td role="cell" data-label="${label}">none here</td>`
  return html`<td role="cell" data-label="${label}"><b>${number(row)}</b><span class="who">${row.mechanism} <small>${shapeText(row)}</small></span></td>`
}

function verdictCell(best: Best): Html {
  const found = beside(best)
  if (found === undefined) return html`<td role="cell"></td>`
  const { times, verdict } = found
  const text = { win: 'faster', loss: 'slower', even: 'about even' }[verdict]
  return html`<td role="cell" class="beside"><span class="chip ${verdict}">${timesText(times)}×</span> <span class="who">${text}</span></td>`
}

/** A line for each goal: the best of Node, the best of Sluice, how they stand, and what takes the least CPU. */
export function overviewTable(all: readonly Best[]): Html {
  const lines = all.map(
    best =>
      html`<tr role="row"><th role="rowheader" scope="row"><a href="#${best.goal.replaceAll('/', '-')}">${GOALS[best.goal]}</a></th>${cell('Node’s best', best.node, speed)}${cell('Sluice’s best', best.ours, speed)}${verdictCell(best)}${cell(
        'Least CPU',
        best.leanest,
        row => plainText(CPU.of(row.result, row.size)?.[1] ?? 0),
      )}</tr>\n`,
  )
  return html`<div class="scroll" role="region" tabindex="0" aria-labelledby="overview-caption">
<table class="overview" role="table"><caption id="overview-caption">The fastest of each goal in MiB/s, and the one that takes the least CPU time in µs/MiB</caption>
<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Goal</th><th role="columnheader" scope="col">Node’s best</th><th role="columnheader" scope="col">Sluice’s best</th><th role="columnheader" scope="col">beside Node’s</th><th role="columnheader" scope="col">Least CPU</th></tr></thead>
<tbody role="rowgroup">
${lines}</tbody></table></div>`
}
