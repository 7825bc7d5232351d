import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Answer, GOALS, type Goal, type LabReport } from '../../lab/index.js'
import { disturbanceNotes, machineFacts } from '../lab-facts.js'
import { COLUMNS_TEXT, METHOD_LETTERS } from '../lab-table.js'
import { chart } from './chart.js'
import { MEASURES } from './comparison.js'
import { Html, html, jsonForScript } from './html.js'
import { bests, overviewTable, verdictText } from './overview.js'
import { figuresTable } from './table.js'

/** A style or script of the page, which lies beside this file. */
function part(name: string): Html {
  return new Html(readFileSync(new URL(`./${name}`, import.meta.url), 'utf8').trim())
}

/** How a policy names an inline style or script. @see CSP Level 3, section 8.3 */
function hashOf({ text }: Html): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

const anchor = (goal: Goal) => goal.replaceAll('/', '-')
const sentences = (texts: readonly string[]) => texts.map(text => html`<li>${text}</li>\n`)

function answer({ question, verdict, good, points }: Answer): Html {
  const tone = good === undefined ? 'neutral' : good ? 'good' : 'bad'
  return html`<article class="answer ${tone}"><h3>${question}</h3><p class="verdict">${verdict}</p><ul>
${sentences(points)}</ul></article>
`
}

function group(report: LabReport, goal: Goal): Html {
  const rows = report.rows.filter(row => row.goal === goal)
  const title = GOALS[goal]
  return html`<section class="group" id="${anchor(goal)}" aria-labelledby="${anchor(goal)}-title">
<h3 id="${anchor(goal)}-title">${title}</h3>
${MEASURES.map(measure => chart(goal, title, rows, measure))}
${figuresTable(goal, title, rows)}
</section>
`
}

function measurePicker(): Html {
  const radios = MEASURES.map(
    ({ id, title }, index) =>
      html`<label><input type="radio" name="measure" id="measure-${id}" value="${id}"${index === 0 ? html` checked` : undefined}><span>${title}</span></label>`,
  )
  return html`<div class="controls"><fieldset><legend>Show</legend>${radios}</fieldset>
<ul class="key"><li class="node">Node’s own</li><li class="ours">what Sluice adds</li><li class="loss">the same, worse than Node’s best</li><li class="line">Node’s best</li></ul></div>`
}

function mechanisms({ rows }: LabReport): Html {
  const about = new Map(rows.map(row => [`${row.goal.split('/')[0]} ${row.mechanism}`, row]))
  const lines = [...about.values()].map(
    row => html`<div><dt>${row.mechanism}</dt><dd>${row.about}</dd></div>\n`,
  )
  return html`<dl class="facts">${lines}</dl>`
}

function machine(report: LabReport): Html {
  const { fingerprint } = report
  const { cpu, memory, kernel, storage, user } = fingerprint
  const more: [string, string][] = [
    ['architecture', `${cpu.architecture}${cpu.governor === undefined ? '' : `, governor ${cpu.governor}`}`],
    ['memory', `pages of ${memory.pageBytes} bytes, huge pages: ${memory.transparentHugePages ?? 'unknown'}`],
    ['mounted with', storage.options],
    ['run by', user.root ? 'root' : 'an ordinary user'],
    ['sluice', report.sluice],
    ...Object.entries(kernel.mitigations).map(([fault, state]): [string, string] => [fault, state]),
  ]
  const lines = [...machineFacts(report), ...more].map(
    ([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>\n`,
  )
  return html`<dl class="facts">${lines}</dl>`
}

function method({ notes }: LabReport): Html {
  const letters = Object.values(METHOD_LETTERS).map(
    ([letter, meaning]) => html`<div><dt>${letter}</dt><dd>${meaning}</dd></div>\n`,
  )
  return html`<p>Each row runs in a process of its own, which is started and brought into its state before any clock runs. What the
kernel counts (system calls, switches, faults) is counted in laps apart from those that are timed, because counting slows
the work down. The rows of a goal take turns, so that what disturbs the machine for a second strikes all of them.</p>
<p>Columns: ${COLUMNS_TEXT} A number’s letter in the tables says how it was come by:</p>
<dl class="facts letters">${letters}</dl>
${notes.length === 0 ? undefined : html`<h3>Notes of this run</h3><ul>${sentences(notes)}</ul>`}`
}

const when = (time: string) => `${time.slice(0, 16).replace('T', ' ')} UTC`

function body(report: LabReport): Html {
  const goals = [...new Set(report.rows.map(row => row.goal))]
  const all = bests(report)
  const warnings = disturbanceNotes(report)
  const ran = report.rows.filter(({ result }) => result !== undefined).length
  const [, [, machineText]] = machineFacts(report) as [[string, string], [string, string]]
  const { kernel, node, time } = report.fingerprint
  return html`<svg class="pattern" width="0" height="0" aria-hidden="true" focusable="false"><defs><pattern id="worse" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect class="worse-ground" width="7" height="7" /><rect class="worse-stripe" width="4" height="7" /></pattern></defs></svg>
<a class="skip" href="#overview">Skip to the result</a>
<header class="top">
<p class="kicker">Sluice lab <span aria-hidden="true">·</span> <time datetime="${time}">${when(time)}</time></p>
<h1>What moving a byte costs on this machine</h1>
<p class="lede">${verdictText(all)}</p>
<p class="where">${ran} of ${report.rows.length} rows in ${(report.durationMs / 1000).toFixed(0)} s on ${machineText}; ${kernel.release}; Node ${node.version}.${report.options.quick ? ' A quick run: one lap each, so no spread is known.' : ''}</p>
${warnings.map(text => html`<p class="warning" role="note">${text}</p>`)}
</header>
<main>
<section id="overview" aria-labelledby="overview-title"><h2 id="overview-title">The result in short</h2>
${overviewTable(all)}</section>
<section id="rows" aria-labelledby="rows-title"><h2 id="rows-title">Every mechanism, goal by goal</h2>
<p>A comparison makes sense within a goal. <b>×</b> says how many times as good as the best of Node’s own a row is by what is shown: below 1 it is worse.</p>
${measurePicker()}
${goals.map(goal => group(report, goal))}</section>
<section id="questions" aria-labelledby="questions-title"><h2 id="questions-title">Four questions to ask of any program that moves bytes</h2>
<div class="answers">${report.checklist.map(answer)}</div></section>
<section id="mechanisms" aria-labelledby="mechanisms-title"><h2 id="mechanisms-title">The mechanisms</h2>
${mechanisms(report)}</section>
<section id="method" aria-labelledby="method-title"><h2 id="method-title">How it was measured</h2>
${method(report)}</section>
<section id="machine" aria-labelledby="machine-title"><h2 id="machine-title">The machine</h2>
${machine(report)}</section>
</main>
<footer><p>Made by <code>sluice lab --html</code>; this file holds all it shows, and asks nobody for more. <button type="button" id="save" hidden>Save the data as JSON</button></p></footer>`
}

/**
 * A report of the lab as a page: one file that asks for nothing else, with a policy that forbids it to. It can be read
 * without its script, which only sorts the tables and saves the data.
 */
export function labPage(report: LabReport): string {
  const style = part('page.css')
  const script = part('page.mjs')
  const policy = `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(script)}; img-src data:; base-uri 'none'; form-action 'none'`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sluice lab: what moving a byte costs on this machine</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
${body(report)}
<script type="application/json" id="report">${jsonForScript(report)}</script>
<script type="module">${script}</script>
</body>
</html>
`.text
}
