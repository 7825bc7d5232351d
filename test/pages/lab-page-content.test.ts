import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import test from 'node:test'
import { bestRow, MEASURES, type Measure, measuredRows, standing } from '#dist/cli/lab-page/comparison.js'
import { html, jsonForScript } from '#dist/cli/lab-page/html.js'
import { bests, verdictText } from '#dist/cli/lab-page/overview.js'
import { labPage } from '#dist/cli/lab-page/page.js'
import { labReport, rowReport } from '#dist/lab/report.test.support.js'

const NODE = 'read/cached/random/readsync-4-kib'
const RING = 'read/cached/random/ring-4-kib-x64'
const HANDLE = 'read/cached/random/filehandle-4-kib'
const MAPPED = 'read/cached/random/mmap-4-kib'

const report = labReport([
  rowReport(NODE, { mibPerSecond: 100, cpuUs: 2 }),
  rowReport(RING, { mibPerSecond: 300, cpuUs: 1 }),
  rowReport(HANDLE, { mibPerSecond: 50, cpuUs: 2.01 }),
  rowReport(MAPPED, '<b>refused</b> & "so"'),
])

/** The bar of a row in the chart of a measure. */
function barOf(page: string, measure: string, mechanism: string): string {
  const panel = page.split(`class="panel" data-measure="${measure}"`)[1]?.split('</figure>')[0] ?? ''
  const bar = panel.split('<li ').find(text => text.includes(`class="name">${mechanism} <small>`))
  assert.ok(bar !== undefined, `${mechanism} by ${measure}`)
  return bar
}

test('what is put into a template is escaped, markup is not', () => {
  const part = html`<i>${'a<b'}</i>`
  assert.equal(
    html`<p title="${'"\'&'}">${part}${[1, '>']}${undefined}</p>`.text,
    '<p title="&quot;&#39;&amp;"><i>a&lt;b</i>1&gt;</p>',
  )
})

test('JSON in a script element cannot end it, and is still the same JSON', () => {
  const value = { text: '</script><!--<script>\u2028&' }
  const { text } = jsonForScript(value)
  assert.doesNotMatch(text, /[<>&\u2028]/)
  assert.deepEqual(JSON.parse(text), value)
})

test('the page holds the whole report, and what machines and rows are called cannot break out of it', () => {
  const evil = structuredClone(report)
  evil.fingerprint.cpu.model = '</script><img src=x>'
  const page = labPage(evil)
  const data = /<script type="application\/json" id="report">(.*?)<\/script>/s.exec(page)?.[1]
  assert.deepEqual(JSON.parse(data ?? ''), JSON.parse(JSON.stringify(evil)))
  assert.ok(!page.includes('<img'))
  assert.ok(!page.includes('<b>refused'))
})

test('the policy allows the style and the script that are there, and nothing else', () => {
  const page = labPage(report)
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? ''
  assert.match(policy, /^default-src &#39;none&#39;;|^default-src 'none';/)
  for (const [tag, text] of [
    ['style-src', /<style>(.*?)<\/style>/s.exec(page)?.[1]],
    ['script-src', /<script type="module">(.*?)<\/script>/s.exec(page)?.[1]],
  ]) {
    const hash = createHash('sha256')
      .update(text ?? '')
      .digest('base64')
    assert.match(policy, new RegExp(`${tag} (&#39;|')sha256-${hash.replace(/[+/]/g, '\\$&')}(&#39;|')`))
  }
  assert.doesNotMatch(page, / style="| on[a-z]+="|https?:\/\//)
})

test('a row of ours that is worse than the best of Node is a loss, by the measure shown', () => {
  const page = labPage(report)
  assert.match(barOf(page, 'throughput', 'Ring'), /^class="bar ours".*▲ <\/span>3×/s)
  assert.match(barOf(page, 'throughput', 'FileHandle'), /^class="bar loss".*▼ <\/span>0\.5×/s)
  assert.match(barOf(page, 'cpu', 'FileHandle'), /^class="bar ours".*≈/s)
  assert.match(barOf(page, 'throughput', 'readSync'), /^class="bar node".*Node’s best/s)
  assert.match(barOf(page, 'throughput', 'mmap'), /^class="bar absent".*not run: &lt;b&gt;refused/s)
})

test('spreads that overlap are called even', () => {
  const [throughput] = MEASURES as [Measure]
  const [node, ring] = measuredRows(report.rows)
  assert.ok(node !== undefined && ring !== undefined)
  assert.equal(standing(ring, node, throughput)?.verdict, 'win')
  const wide = structuredClone(ring)
  wide.result.bytesPerSecond.min = node.result.bytesPerSecond.min
  assert.deepEqual(standing(wide, node, throughput), { times: 3, verdict: 'even' })
  assert.equal(bestRow([node, ring], throughput), ring)
})

test('the page begins with how many goals are won, open and lost', () => {
  assert.match(verdictText(bests(report)), /^In 1 of 1 goals .* In none .* in none it is slower\.$/)
  const lost = labReport([rowReport(NODE, { mibPerSecond: 100 }), rowReport(HANDLE, { mibPerSecond: 50 })])
  assert.match(verdictText(bests(lost)), /^In none of 1 goals .* in 1 it is slower\.$/)
})
