/* global uPlot */
/** The status page: asks for the state once a second, and draws the last two minutes of it. */

const SECONDS = 120
const PERIOD_MS = 1000
const MIB = 2 ** 20
const SHARE = 100
const base = location.pathname.replace(/\/$/, '')
const find = id => document.querySelector(`#${id}`)

find('json').href = `${base}/json`
find('metrics').href = `${base}/metrics`

const count = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3, notation: 'compact' })
const percent = new Intl.NumberFormat('en', { style: 'percent', maximumFractionDigits: 1 })

function bytesText(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  const value = bytes / 1024 ** power
  return `${value.toFixed(value >= SHARE || power === 0 ? 0 : 1)} ${units[power]}`
}

function durationText(us) {
  const [value, unit] = us >= 1e6 ? [us / 1e6, 's'] : us >= 1000 ? [us / 1000, 'ms'] : [us, 'µs']
  return `${Number(value.toPrecision(2))} ${unit}`
}

function timeText(seconds) {
  const parts = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
  ]
  const [length, unit] = parts.find(([length]) => seconds >= length) ?? [1, 's']
  return `${Math.floor(seconds / length)} ${unit}`
}

const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

/** The value below which a part of what was counted lies. */
function quantile(counts, ends, share) {
  let left = share * counts.reduce((sum, each) => sum + each, 0)
  if (left === 0) return null
  const index = counts.findIndex(each => {
    left -= each
    return left <= 0
  })
  return ends[index < 0 ? ends.length - 1 : index]
}

/** What happened between two reports. */
function between(before, now, seconds) {
  const requests = now.requests - before.requests
  const { counts, ends } = now.latency
  const fresh = counts.map((each, index) => each - before.latency.counts[index])
  const each = value => (requests > 0 ? value / requests : null)
  const grown = name => now.process[name].value - before.process[name].value
  const enters = now.ring.enters - before.ring.enters
  const hits = now.cache.hits - before.cache.hits
  return {
    requests: requests / seconds,
    bytes: (now.bytes - before.bytes) / seconds,
    p50: quantile(fresh, ends, 0.5),
    p99: quantile(fresh, ends, 0.99),
    calls: each(grown('systemCalls')),
    switches: each(grown('contextSwitches')),
    hits: each(hits),
    perEnter: enters > 0 ? (now.ring.completions - before.ring.completions) / enters : null,
    inFlight: now.ring.inFlight,
  }
}

function axis(more = {}) {
  return {
    stroke: () => color('soft'),
    grid: { stroke: () => color('rule'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
    values: (_, values) => values.map(value => (value === null ? '' : short.format(value))),
    ...more,
  }
}

const line = (label, name, fill) => ({
  label,
  stroke: () => color(name),
  width: 2,
  points: { show: false },
  spanGaps: true,
  ...(fill ? { fill: () => color(`${name}-wash`) } : {}),
  value: (_, value) => (value === null ? '–' : short.format(value)),
})

const HEIGHT = 190

/** A chart as wide as its place, drawn anew when that or the scheme changes. */
function makeChart(id, options, data) {
  const place = find(id)
  const size = () => ({ width: Math.max(200, place.clientWidth), height: HEIGHT })
  const plot = new uPlot(
    { ...size(), padding: [12, 8, 0, 0], cursor: { drag: { x: false, y: false } }, ...options },
    data,
    place,
  )
  // A table of no rows and columns to speak of, as uPlot makes it.
  place.querySelector('.u-legend')?.setAttribute('role', 'presentation')
  new ResizeObserver(() => plot.setSize(size())).observe(place)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot.redraw(false))
  return plot
}

/** The last two minutes of some series. */
function timeline(id, ...series) {
  const options = {
    scales: { y: { range: (_, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [axis({ values: (_, times) => times.map(ago), space: 60, size: 28 }), axis({ size: 48 })],
    series: [
      { label: 'time', value: (_, time) => (time === null ? '–' : ago(time)) },
      ...series.map(([, of]) => of),
    ],
    legend: { show: series.length > 1, live: true },
  }
  const empty = [[], ...series.map(() => [])]
  const plot = makeChart(id, options, empty)
  return moments =>
    plot.setData([
      moments.map(({ time }) => time),
      ...series.map(([name, _, scale = 1]) =>
        moments.map(moment => (moment[name] === null ? null : moment[name] * scale)),
      ),
    ])
}

const moments = []

function ago(time) {
  const seconds = Math.round((moments.at(-1)?.time ?? time) - time)
  return seconds === 0 ? 'now' : `−${seconds} s`
}

const timelines = [
  timeline('requests-chart', ['requests', line('requests', 'first', true)]),
  timeline('bytes-chart', ['bytes', line('MiB', 'first', true), 1 / MIB]),
  timeline('latency-chart', ['p50', line('p50', 'first')], ['p99', line('p99', 'second')]),
  timeline('cost-chart', ['calls', line('system calls', 'first')], ['switches', line('switches', 'second')]),
  timeline(
    'ring-chart',
    ['perEnter', line('for a system call', 'first')],
    ['inFlight', line('in flight', 'second')],
  ),
]

/** Bars of an octave each: a log axis of our own. */
const OCTAVE = 4
const bars = makeChart(
  'histogram-chart',
  {
    scales: {
      x: { time: false, range: (_, least, most) => [least - 0.7, most + 0.7] },
      y: { range: (_, _least, most) => [0, most * 1.1 || 1] },
    },
    axes: [
      axis({
        size: 28,
        space: 56,
        incrs: [1, 2, 4, 8],
        values: (_, powers) => powers.map(power => (Number.isInteger(power) ? durationText(2 ** power) : '')),
      }),
      axis({ size: 48 }),
    ],
    series: [
      { label: 'below', value: (_, power) => (power === null ? '–' : durationText(2 ** power)) },
      {
        ...line('requests', 'first', true),
        width: 1,
        fill: () => color('first'),
        paths: uPlot.paths.bars({ size: [0.85, 64] }),
      },
    ],
    legend: { show: false },
  },
  [[], []],
)

function drawHistogram({ counts, ends }) {
  const octaves = []
  for (let at = 0; at < counts.length; at += OCTAVE) {
    const sum = counts.slice(at, at + OCTAVE).reduce((total, each) => total + each, 0)
    octaves.push({ power: Math.round(Math.log2(ends[at + OCTAVE - 1])), sum })
  }
  const first = octaves.findIndex(({ sum }) => sum > 0)
  const last = octaves.findLastIndex(({ sum }) => sum > 0)
  const shown = first < 0 ? octaves.slice(0, 8) : octaves.slice(Math.max(0, first - 1), last + 2)
  bars.setData([shown.map(({ power }) => power), shown.map(({ sum }) => sum)])
}

function tell(id, text, hint) {
  const element = find(id)
  if (element.textContent !== text) element.textContent = text
  if (hint !== undefined) find(`${id}-hint`).textContent = hint
}

const orDash = (value, text) => (value === null ? '–' : text(value))
const upTo = value => (value === null ? '–' : short.format(value))

function fill(id, rows) {
  const lines = rows.map(cells => {
    const row = document.createElement('tr')
    cells.forEach((text, index) => {
      const cell = document.createElement(index === 0 ? 'th' : 'td')
      if (index === 0) cell.scope = 'row'
      cell.textContent = text
      row.append(cell)
    })
    return row
  })
  find(id).tBodies[0].replaceChildren(...lines)
}

function shares(counts) {
  const all = Object.values(counts).reduce((sum, each) => sum + each, 0)
  return Object.entries(counts)
    .filter(([, each]) => each > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([name, each]) => [name, count.format(each), percent.format(each / all)])
}

function show(report, moment) {
  const { connections, ring, process } = report
  tell('requests', short.format(moment.requests), `a second; ${short.format(report.requests)} in all`)
  tell('bytes', bytesText(moment.bytes), `a second; ${bytesText(report.bytes)} in all`)
  tell('connections', count.format(connections.open), `open; ${short.format(connections.accepted)} accepted`)
  tell('latency', orDash(moment.p50, durationText), `p50; p99 ${orDash(moment.p99, durationText)}`)
  tell('calls', upTo(moment.calls))
  tell('switches', upTo(moment.switches))
  tell(
    'cache',
    orDash(moment.hits, value => percent.format(value)),
    `of requests; ${count.format(report.cache.misses)} opened`,
  )
  tell('ring', upTo(moment.perEnter), 'completions a system call')
  fill('mechanisms', shares(report.mechanisms))
  fill('statuses', shares(report.statuses))
  fill('facts', [
    ['driver', report.driver],
    ['threads', count.format(report.threads)],
    ['memory', bytesText(process.residentBytes)],
    ['CPU time', `${(process.userSeconds + process.systemSeconds).toFixed(1)} s`],
    ['connections dropped', count.format(connections.dropped)],
    ['cache: open files, in memory', `${count.format(report.cache.files)}, ${bytesText(report.cache.bytes)}`],
    [
      'cache: watched, evicted',
      `${count.format(report.cache.watched)}, ${count.format(report.cache.evictions)}`,
    ],
    [
      'cache: compressed files',
      `${count.format(report.cache.compressed.files)}, ${bytesText(report.cache.compressed.bytes)}`,
    ],
    ['ring: in flight, of', `${count.format(ring.inFlight)}, ${count.format(ring.capacity)}`],
    ['ring: sockets', count.format(ring.handles)],
    ['ring: waits, overflows', `${count.format(ring.waits)}, ${count.format(ring.overflows)}`],
    ['version', `${report.sluice}, Node ${report.node}`],
  ])
  for (const draw of timelines) draw(moments)
  drawHistogram(report.latency)
}

let before
let beforeMs = 0

async function look() {
  const response = await fetch(`${base}/json`, { cache: 'no-store' })
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`)
  const report = await response.json()
  const nowMs = performance.now()
  const state = find('state')
  state.textContent = `up for ${timeText(report.uptimeSeconds)}`
  state.className = 'live'
  const restarted = before !== undefined && report.uptimeSeconds < before.uptimeSeconds
  if (before !== undefined && !restarted) {
    const moment = { time: Date.now() / 1000, ...between(before, report, (nowMs - beforeMs) / 1000) }
    moments.push(moment)
    if (moments.length > SECONDS) moments.shift()
    show(report, moment)
  }
  before = report
  beforeMs = nowMs
}

async function watch() {
  // Nobody sees a page in the background: it asks for nothing.
  if (!document.hidden) {
    try {
      await look()
    } catch (error) {
      const state = find('state')
      state.textContent = `no answer: ${error.message}`
      state.className = 'lost'
    }
  }
  setTimeout(watch, PERIOD_MS)
}

watch()
