import type { StatusReport } from './status-report.js'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [value: number, labels?: Labels]

/** Of the histogram's buckets, every so manieth is told: an octave each. */
const STEP = 4
const US_PER_SECOND = 1e6

function labelText(labels: Labels = {}): string {
  const escaped = (value: string) =>
    value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function family(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: readonly Sample[],
): readonly string[] {
  const lines = samples.map(([value, labels]) => `${name}${labelText(labels)} ${value}`)
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines]
}

const labelled = (counts: Record<string, number>, label: string): Sample[] =>
  Object.entries(counts).map(([key, count]) => [count, { [label]: key }])

/** Buckets are cumulative, and the last one holds everything. */
function histogram({ ends, counts, count, sum }: StatusReport['latency']): string[] {
  const name = 'sluice_http_request_duration_seconds'
  const lines = [
    `# HELP ${name} From a request's arrival in the process to its response's leaving.`,
    `# TYPE ${name} histogram`,
  ]
  let below = 0
  for (const [index, end] of ends.entries()) {
    below += counts[index] as number
    if (index % STEP === STEP - 1) lines.push(`${name}_bucket{le="${end / US_PER_SECOND}"} ${below}`)
  }
  return [
    ...lines,
    `${name}_bucket{le="+Inf"} ${count}`,
    `${name}_sum ${sum / US_PER_SECOND}`,
    `${name}_count ${count}`,
  ]
}

/**
 * A report as Prometheus reads it.
 *
 * @see the text-based exposition format, version 0.0.4
 */
export function exposition(report: StatusReport): string {
  const { connections, cache, ring, process, driver, sluice, node } = report
  return [
    ...family('sluice_info', 'gauge', 'What runs.', [[1, { version: sluice, node, driver }]]),
    ...family('sluice_uptime_seconds', 'gauge', 'Since the server began.', [[report.uptimeSeconds]]),
    ...family('sluice_threads', 'gauge', 'Threads that serve.', [[report.threads]]),
    ...family('sluice_http_connections', 'gauge', 'Connections open now.', [[connections.open]]),
    ...family('sluice_http_connections_total', 'counter', 'Connections accepted.', [[connections.accepted]]),
    ...family('sluice_http_connections_dropped_total', 'counter', 'Connections dropped for slowness.', [
      [connections.dropped],
    ]),
    ...family('sluice_http_connections_refused_total', 'counter', 'Connections beyond an address’s limit.', [
      [connections.refused],
    ]),
    ...family('sluice_http_requests_total', 'counter', 'Requests answered, by status.', [
      ...labelled(report.statuses, 'code'),
    ]),
    ...family('sluice_http_response_bytes_total', 'counter', 'Bytes of responses.', [[report.bytes]]),
    ...family('sluice_http_responses_total', 'counter', 'Responses, by how they left.', [
      ...labelled(report.mechanisms, 'mechanism'),
    ]),
    ...histogram(report.latency),
    ...family('sluice_http_cache_hits_total', 'counter', 'Requests whose file was open.', [[cache.hits]]),
    ...family('sluice_http_cache_misses_total', 'counter', 'Requests whose file was not.', [[cache.misses]]),
    ...family('sluice_http_cache_files', 'gauge', 'Files that are open.', [[cache.files]]),
    ...family('sluice_http_cache_bytes', 'gauge', 'Bytes of files that are kept in memory.', [[cache.bytes]]),
    ...family('sluice_http_cache_watched_files', 'gauge', 'Files that inotify watches.', [[cache.watched]]),
    ...family('sluice_http_cache_evictions_total', 'counter', 'Files that made room for others.', [
      [cache.evictions],
    ]),
    ...family('sluice_http_compressed_files', 'gauge', 'Files that are kept compressed.', [
      [cache.compressed.files],
    ]),
    ...family('sluice_http_compressed_bytes', 'gauge', 'Bytes of them.', [[cache.compressed.bytes]]),
    ...family('sluice_ring_operations', 'gauge', 'Operations in flight.', [[ring.inFlight]]),
    ...family('sluice_ring_capacity', 'gauge', 'Operations that fit.', [[ring.capacity]]),
    ...family('sluice_ring_waiting', 'gauge', 'Operations that wait for room.', [[ring.waiting]]),
    ...family('sluice_ring_handles', 'gauge', 'Sockets and the like.', [[ring.handles]]),
    ...family('sluice_ring_enters_total', 'counter', 'System calls of the driver.', [[ring.enters]]),
    ...family('sluice_ring_submissions_total', 'counter', 'Operations handed over.', [[ring.submissions]]),
    ...family('sluice_ring_completions_total', 'counter', 'Completions seen.', [[ring.completions]]),
    ...family('sluice_ring_overflows_total', 'counter', 'Completion queue overflows.', [[ring.overflows]]),
    ...family('sluice_ring_waits_total', 'counter', 'Operations that had to wait.', [[ring.waits]]),
    ...family('sluice_system_calls_total', 'counter', 'System calls, derived: see the guide.', [
      [process.systemCalls.value],
    ]),
    ...family('sluice_context_switches_total', 'counter', 'Times that a thread left its CPU.', [
      [process.contextSwitches.value],
    ]),
    ...family('sluice_cpu_seconds_total', 'counter', 'CPU time, by mode.', [
      [process.userSeconds, { mode: 'user' }],
      [process.systemSeconds, { mode: 'system' }],
    ]),
    ...family('sluice_resident_memory_bytes', 'gauge', 'Resident memory.', [[process.residentBytes]]),
    '',
  ].join('\n')
}
