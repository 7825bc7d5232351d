const NAME_WIDTH = 34
const CELL_WIDTH = 10

/** A number with three digits and a unit. @param {number} value */
export function quantity(value) {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ]) {
    if (Math.abs(value) >= size) return `${(value / size).toPrecision(3)} ${unit}`
  }
  if (value === 0) return '0'
  return Math.abs(value) < 100 ? value.toPrecision(3) : value.toFixed(0)
}

/** The result of one case as text. */
export function caseReport({ parameters, contestants, verdicts }) {
  const head = row(
    parameters.name,
    ['median', 'min', 'max'].map(title => title),
    'operations a second',
  )
  const lines = Object.entries(contestants).map(([name, result]) => contestantLine(name, result))
  return [head, ...lines, ...verdicts.map(verdictLine), ''].join('\n')
}

function row(name, cells, rest = '') {
  return `${name.padEnd(NAME_WIDTH)}${cells.map(cell => cell.padStart(CELL_WIDTH)).join('')}   ${rest}`.trimEnd()
}

function contestantLine(name, { rate, figures, skipped, failed }) {
  if (skipped !== undefined) return row(`  ${name}`, [], `skipped: ${skipped}`)
  if (failed !== undefined) return row(`  ${name}`, [], `FAILED: ${briefly(failed)}`)
  const counts = Object.entries(figures).map(([figure, { median }]) => `${figure}: ${quantity(median)}`)
  return row(`  ${name}`, [rate.median, rate.min, rate.max].map(quantity), counts.join('; '))
}

function verdictLine(verdict) {
  const { of, to, figure, value, passed, bar, aim, aimed, most, rounds } = verdict
  const contestants = to === undefined ? of : `${of} / ${to}`
  const subject = figure === undefined ? `  → ${contestants}` : `  → ${contestants}: ${figure}`
  if (value === undefined) return `${subject}: not measured`
  if (figure !== undefined)
    return `${subject}: ${quantity(value)}, at most ${most}: ${passed ? 'pass' : 'MISS'}`
  const extent = `${rounds.min.toFixed(2)} to ${rounds.max.toFixed(2)} by rounds`
  const judged = `bar ${bar.toFixed(2)} ${passed ? 'pass' : 'MISS'}`
  const wished = aim === undefined ? '' : `, aim ${aim.toFixed(2)} ${aimed ? 'reached' : 'not reached'}`
  return `${subject}: ${value.toFixed(2)} (${extent}); ${judged}${wished}`
}

/** The machine as one line. */
export function machineLine({ cpu, memory, kernel, node, storage, load }) {
  const { fileSystem, device } = storage
  const disk = [fileSystem, device?.name, device?.scheduler].filter(Boolean).join(' ')
  const gibibytes = Math.round(memory.bytes / 2 ** 30)
  return `${cpu.count} × ${cpu.model}, ${gibibytes} GiB, ${kernel.release}, Node ${node.version}, ${disk}, load ${load.toFixed(1)}`
}

/** Of an error's text, the line that names it; the whole of it is in the JSON. */
function briefly(failure) {
  const lines = failure.split('\n')
  return lines.find(line => /^\w*Error\b/.test(line)) ?? lines[0]
}
