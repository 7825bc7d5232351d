import { type RowReport, shortText, sizeText } from '../../lab/index.js'
import { LAB_SECTIONS, METHOD_LETTERS } from '../lab-table.js'
import { type Html, html } from './html.js'

const columns = LAB_SECTIONS.flatMap(section => section.columns)

function methods(rows: readonly RowReport[], column: (typeof columns)[number]): Html {
  const results = rows.flatMap(({ result }) => result ?? [])
  const used = [...new Set(results.map(column.method))].filter(method => method !== undefined)
  return html`${used.map(method => {
    const [letter, meaning] = METHOD_LETTERS[method] ?? ['?', method]
    return html`<abbr title="${meaning}">${letter}</abbr>`
  })}`
}

function headings(): Html {
  const groups = LAB_SECTIONS.map(({ title, columns }) =>
    title === '' ? html`<td></td>` : html`<th scope="colgroup" colspan="${columns.length}">${title}</th>`,
  )
  const fixed = ['mechanism', 'size', 'deep'].map(
    (text, index) => html`<th scope="col" data-sort="${index === 0 ? 'text' : 'number'}">${text}</th>`,
  )
  const names = columns.map(({ heading }) => html`<th scope="col" data-sort="number">${heading}</th>`)
  return html`<tr class="groups"><td></td><td></td><td></td>${groups}</tr><tr>${fixed}${names}</tr>`
}

function row(report: RowReport): Html {
  const { result, size, depth, mechanism, reason = '' } = report
  const head = html`<th scope="row">${mechanism}</th><td data-value="${size}">${sizeText(size)}</td><td data-value="${depth}">${depth === 1 ? '1' : `×${depth}`}</td>`
  if (result === undefined) {
    return html`<tr class="absent">${head}<td colspan="${columns.length}">not run: ${reason}</td></tr>`
  }
  const cells = columns.map(({ value, text = shortText }) => {
    const number = value(result)
    return number === null || number === undefined
      ? html`<td>–</td>`
      : html`<td data-value="${number}">${text(number)}</td>`
  })
  return html`<tr${report.node ? html` class="node"` : undefined}>${head}${cells}</tr>`
}

/** All numbers of a goal's rows, under the headings that the terminal's tables have. */
export function figuresTable(goal: string, title: string, rows: readonly RowReport[]): Html {
  const id = `table-${goal.replaceAll('/', '-')}`
  const letters = columns.map(column => html`<td>${methods(rows, column)}</td>`)
  return html`<details>
<summary>All figures of ${rows.length === 1 ? 'this row' : `these ${rows.length} rows`}</summary>
<div class="scroll" role="region" tabindex="0" aria-labelledby="${id}">
<table class="figures"><caption id="${id}">${title}: medians of the laps</caption>
<thead>${headings()}<tr class="letters"><th scope="row">measured by</th><td></td><td></td>${letters}</tr></thead>
<tbody>
${rows.map(each => html`${row(each)}\n`)}</tbody></table>
</div>
</details>`
}
