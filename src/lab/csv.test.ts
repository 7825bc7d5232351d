import assert from 'node:assert/strict'
import { test } from 'node:test'
import { csv } from './csv.js'
import { labReport, rowReport } from './report.test.support.js'

/** Reads CSV as RFC 4180 has it. */
function parse(text: string): string[][] {
  return text
    .trimEnd()
    .split('\r\n')
    .map(line =>
      [...line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g)]
        .map(([, field = '']) => field.replace(/^"|"$/g, '').replaceAll('""', '"'))
        .slice(0, -1),
    )
}

const report = labReport([
  rowReport('read/cached/random/ring-4-kib-x64', { mibPerSecond: 4000 }),
  rowReport('read/uncached/random/direct-ring-4-kib-x64', 'refused, "really"'),
])

test('every row has every column, also one that was not run', () => {
  const [header = [], ...lines] = parse(csv(report))
  assert.equal(lines.length, 2)
  for (const line of lines) assert.equal(line.length, header.length)
  assert.equal(new Set(header).size, header.length)
})

test('a column is found by its name: numbers, their methods, the machine', () => {
  const [header = [], first = [], second = []] = parse(csv(report))
  const field = (line: string[], name: string) => {
    assert.ok(header.includes(name), `${name} is not among ${header}`)
    return line[header.indexOf(name)]
  }
  assert.equal(field(first, 'bytes_per_second_median'), String(4000 * 2 ** 20))
  assert.equal(field(first, 'system_calls_per_operation'), '1')
  assert.equal(field(first, 'system_calls_per_operation_method'), 'tracepoint')
  assert.equal(field(first, 'system_calls_per_mib_method'), 'tracepoint')
  assert.equal(field(first, 'user_us_per_operation_method'), 'getrusage')
  assert.equal(field(first, 'kernel_copies_method'), 'derived')
  assert.equal(field(first, 'latency_p999_ns'), '')
  assert.equal(field(first, 'cpu'), 'Abacus "II"')
  assert.equal(field(first, 'scheduler'), 'none')
  assert.equal(field(first, 'mitigations'), 'spectre_v2: Mitigation: a, b')
  assert.equal(field(second, 'reason'), 'refused, "really"')
  assert.equal(field(second, 'bytes_per_second_median'), '')
})

test('a report without rows is an empty file', () => {
  assert.equal(csv(labReport([])), '')
})
