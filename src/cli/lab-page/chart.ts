import { plainText, type RowReport, shortText, sizeText } from '../../lab/index.js'
import {
  bestRow,
  type Measure,
  type MeasuredRow,
  measuredRows,
  type Standing,
  standing,
  timesText,
} from './comparison.js'
import { type Html, html } from './html.js'

/** A bar this many times as long as the middle one would make all others invisible: it is cut. */
const OUTLIER = 8
/** Of the width, what a bar has at most. */
const FULL = 96
/** Of the width, what a bar has at least, so that there is something to see. */
const THIN = 0.4

/** How far bars go: to the longest, or to where the longest is cut. */
function scaleOf(rows: readonly MeasuredRow[], measure: Measure): number {
  const values = rows.flatMap(row => measure.of(row.result, row.size)?.[1] ?? []).sort((a, b) => a - b)
  const middle = values[values.length >> 1] ?? 0
  const shown = values.filter(value => value <= OUTLIER * middle)
  const longest = shown.at(-1) ?? values.at(-1) ?? 0
  const spread = rows.flatMap(row => measure.of(row.result, row.size)?.[2] ?? [])
  // The spread of what is not cut is to be seen whole, within reason.
  return Math.max(longest, ...spread.filter(value => value <= longest * 1.5)) || 1
}

const percent = (value: number) => `${Number(value.toFixed(2))}%`

function bar(
  [low, middle, high]: readonly [number, number, number],
  scale: number,
  mark: number | undefined,
): Html {
  const at = (value: number) => Math.min(FULL, (FULL * value) / scale)
  const cut = middle > scale
  const end = Math.max(THIN, at(middle))
  const tear = cut ? html`<path class="tear" d="M0 0l5 4-5 4 5 4-5 4z" />` : undefined
  const whisker =
    high > low && low < scale
      ? html`<line class="whisker" x1="${percent(at(low))}" x2="${percent(at(high))}" y1="13" y2="13" /><line class="whisker" x1="${percent(at(low))}" x2="${percent(at(low))}" y1="9" y2="17" /><line class="whisker" x1="${percent(at(high))}" x2="${percent(at(high))}" y1="9" y2="17" />`
      : undefined
  const line =
    mark === undefined
      ? undefined
      : html`<line class="mark" x1="${percent(at(mark))}" x2="${percent(at(mark))}" y1="0" y2="26" />`
  return html`<svg class="plot" width="100%" height="26" aria-hidden="true" focusable="false"><rect class="track" width="${percent(FULL)}" x="0" y="5" height="16" rx="2" /><rect class="fill" x="0" y="5" width="${percent(end)}" height="16" rx="2" />${
    tear === undefined
      ? undefined
      : html`<svg x="${percent(FULL - 6)}" y="5" overflow="visible">${tear}</svg>`
  }${whisker}${line}</svg>`
}

const SIGNS = { win: '▲', loss: '▼', even: '≈' } as const
const WORDS = { win: 'better than', loss: 'worse than', even: 'about even with' } as const

function chip({ times, verdict }: Standing): Html {
  return html`<span class="chip ${verdict}"><span aria-hidden="true">${SIGNS[verdict]} </span>${timesText(times)}×<span class="unseen">, ${WORDS[verdict]} Node’s best</span></span>`
}

/** `4 KiB ×64` */
export function shapeText({ size, depth }: { size: number; depth: number }): string {
  return `${sizeText(size)}${depth === 1 ? '' : ` ×${depth}`}`
}

function name(row: RowReport): Html {
  return html`<span class="name">${row.mechanism} <small>${shapeText(row)}</small></span>`
}

interface Frame {
  measure: Measure
  scale: number
  nodes: MeasuredRow | undefined
}

function line(row: RowReport, { measure, scale, nodes }: Frame): Html {
  const { result } = row
  const values = result === undefined ? undefined : measure.of(result, row.size)
  if (result === undefined || values === undefined) {
    const why = row.reason === undefined ? 'not counted in this run' : `not run: ${row.reason}`
    return html`<li class="bar absent">${name(row)}<span class="why">${why}</span></li>`
  }
  const compared =
    row.node || nodes === undefined || !measure.comparable
      ? undefined
      : standing({ ...row, result }, nodes, measure)
  const kind = row.node ? 'node' : compared?.verdict === 'loss' ? 'loss' : 'ours'
  const mark =
    nodes === undefined || !measure.comparable ? undefined : measure.of(nodes.result, nodes.size)?.[1]
  const best =
    row.id === nodes?.id && measure.comparable ? html`<span class="chip best">Node’s best</span>` : undefined
  const [low, middle, high] = values
  const spread = high > low ? html` <small>${shortText(low)}–${shortText(high)}</small>` : undefined
  const number = measure.more ? plainText(middle) : shortText(middle)
  return html`<li class="bar ${kind}">${name(row)}${bar(values, scale, mark)}<span class="value"><b>${number}</b> <span class="unseen">${measure.unit}</span>${spread}</span>${
    compared === undefined ? (best ?? html`<span class="chip none"></span>`) : chip(compared)
  }</li>`
}

/** The rows of a goal as bars, by one measure: what Node has beside what Sluice adds, and where that is worse. */
export function chart(goal: string, title: string, rows: readonly RowReport[], measure: Measure): Html {
  const measured = measuredRows(rows)
  const nodes = bestRow(
    measured.filter(row => row.node),
    measure,
  )
  const frame = { measure, scale: scaleOf(measured, measure), nodes }
  const id = `chart-${goal.replaceAll('/', '-')}-${measure.id}`
  return html`<figure class="panel" data-measure="${measure.id}" aria-labelledby="${id}">
<figcaption id="${id}"><b>${measure.title}, ${measure.unit}</b><span class="unseen"> – ${title}.</span> ${measure.about}</figcaption>
<ol class="bars">
${rows.map(row => html`${line(row, frame)}\n`)}</ol>
</figure>`
}
