import type { LabReport, RowReport } from './report.js'

type Cell = string | number | boolean | null | undefined

/** Quotes what would be taken for something else. @see RFC 4180 */
function field(value: Cell): string {
  const text = value === null || value === undefined ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const snake = (name: string) =>
  name
    .replace(/MiB/g, 'Mib')
    .replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
    .replace('us_per', 'us_per')

/** Numbers with their methods, a column for each. */
function costCells(row: RowReport): Record<string, Cell> {
  const names = [
    'systemCallsPerOperation',
    'systemCallsPerMiB',
    'contextSwitchesPerOperation',
    'contextSwitchesPerMiB',
    'userUsPerOperation',
    'systemUsPerOperation',
    'kernelThreadUsPerOperation',
    'pageFaultsPerOperation',
    'kernelCopies',
    'cacheHitRatio',
    'fetchedPerByte',
  ] as const
  const cells: Record<string, Cell> = {}
  for (const name of names) {
    const measured = row.result?.cost[name]
    cells[snake(name)] = measured?.value
    cells[`${snake(name)}_method`] = measured?.method
  }
  return cells
}

function rowCells(row: RowReport): Record<string, Cell> {
  const { result } = row
  return {
    id: row.id,
    name: row.name,
    goal: row.goal,
    mechanism: row.mechanism,
    size_bytes: row.size,
    depth: row.depth,
    reason: row.reason,
    laps: result?.laps,
    operations: result?.operations,
    bytes_per_second_min: result?.bytesPerSecond.min,
    bytes_per_second_median: result?.bytesPerSecond.median,
    bytes_per_second_max: result?.bytesPerSecond.max,
    operations_per_second_min: result?.operationsPerSecond.min,
    operations_per_second_median: result?.operationsPerSecond.median,
    operations_per_second_max: result?.operationsPerSecond.max,
    speed_method: result && 'clock',
    latency_p50_ns: result?.latencyNs.p50,
    latency_p99_ns: result?.latencyNs.p99,
    latency_p999_ns: result?.latencyNs.p999,
    latency_samples: result?.latencyNs.samples,
    latency_method: result && 'clock',
    ...costCells(row),
    in_flight_most: result?.queue.deepest,
    in_flight_bytes_most: result?.queue.bytes,
    resident_before: result?.residentBefore,
  }
}

/** What is the same in every line. */
function machineCells({ fingerprint, files, sluice, options, disturbance }: LabReport): Record<string, Cell> {
  const { kernel, cpu, memory, storage, node, time, user } = fingerprint
  return {
    time,
    sluice,
    quick: options.quick,
    read_bytes_used: files.read.bytes,
    write_bytes_used: files.write.bytes,
    kernel: kernel.release,
    mitigations: Object.entries(kernel.mitigations)
      .map(([fault, state]) => `${fault}: ${state}`)
      .join('; '),
    cpu: cpu.model,
    cpus: cpu.count,
    architecture: cpu.architecture,
    governor: cpu.governor,
    virtual: cpu.virtual,
    memory_bytes: memory.bytes,
    file_system: storage.fileSystem,
    mount_options: storage.options,
    device: storage.device?.name,
    device_model: storage.device?.model,
    rotational: storage.device?.rotational,
    scheduler: storage.device?.scheduler,
    node: node.version,
    root: user.root,
    cpu_share_of_others: disturbance.others,
    cpu_share_stolen: disturbance.stolen,
  }
}

/** A report as CSV with a header: a line for each row, and the machine's fingerprint in each. Numbers are not rounded. */
export function csv(report: LabReport): string {
  const machine = machineCells(report)
  const lines = report.rows.map(row => ({ ...rowCells(row), ...machine }))
  const [first] = lines
  if (first === undefined) return ''
  const header = Object.keys(first).map(field).join(',')
  return `${[header, ...lines.map(line => Object.values(line).map(field).join(','))].join('\r\n')}\r\n`
}
