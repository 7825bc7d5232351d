import type { Measured } from '../observe/index.js'
import { allRows } from './catalogue.js'
import type { LabReport, RowReport, RowResult } from './report.js'

/** What a made-up row has measured. */
export interface Sketch {
  mibPerSecond?: number
  callsPerOperation?: number
  cpuUs?: number
  deepest?: number
  p50Us?: number
}

const measured = (value: number, method: Measured['method']): Measured => ({ value, method })

function resultOf(size: number, depth: number, copies: number, sketch: Sketch): RowResult {
  const { mibPerSecond = 100, callsPerOperation = 1, cpuUs = 2, deepest = depth, p50Us = 1 } = sketch
  const perSecond = mibPerSecond * 2 ** 20
  const spread = (value: number) => ({ min: value * 0.99, median: value, max: value * 1.01 })
  const perMiB = 2 ** 20 / size
  return {
    bytesPerSecond: spread(perSecond),
    operationsPerSecond: spread(perSecond / size),
    latencyNs: { p50: p50Us * 1000, p99: p50Us * 2000, p999: null, samples: 500 },
    cost: {
      systemCallsPerOperation: measured(callsPerOperation, 'tracepoint'),
      systemCallsPerMiB: measured(callsPerOperation * perMiB, 'tracepoint'),
      contextSwitchesPerOperation: measured(0.5, 'perf'),
      contextSwitchesPerMiB: measured(0.5 * perMiB, 'perf'),
      userUsPerOperation: measured(cpuUs / 2, 'getrusage'),
      systemUsPerOperation: measured(cpuUs / 2, 'getrusage'),
      kernelThreadUsPerOperation: null,
      pageFaultsPerOperation: measured(0, 'perf'),
      kernelCopies: { ...measured(copies, 'derived'), why: 'made up' },
      cacheHitRatio: measured(1, 'procfs'),
      fetchedPerByte: measured(0, 'procfs'),
    },
    queue: { deepest, bytes: deepest * size, bound: 'made up' },
    residentBefore: 1,
    laps: 3,
    operations: 1500,
  }
}

/** A row as if it had been measured, or, with a string, as if it could not be. */
export function rowReport(id: string, sketch: Sketch | string): RowReport {
  const row = allRows().find(each => each.id === id)
  if (row === undefined) throw new Error(`There is no row ${id}`)
  const { name, goal, mechanism, size, depth } = row
  const head = {
    id,
    name,
    mechanism: mechanism.name,
    about: mechanism.about,
    node: mechanism.node === true,
    goal,
    size,
    depth,
  }
  if (typeof sketch === 'string') return { ...head, reason: sketch }
  return { ...head, result: resultOf(size, depth, mechanism.copies, sketch) }
}

/** A report with these rows, of a machine that there is not. */
export function labReport(rows: RowReport[]): LabReport {
  return {
    format: 1,
    sluice: '0.0.0',
    fingerprint: {
      kernel: { release: 'linux 9.9', version: '#1', mitigations: { spectre_v2: 'Mitigation: a, b' } },
      cpu: { model: 'Abacus "II"', count: 2, architecture: 'x64', governor: undefined, virtual: true },
      memory: { bytes: 2 ** 34, pageBytes: 4096, transparentHugePages: 'madvise' },
      storage: {
        fileSystem: 'ext4',
        mountPoint: '/',
        options: 'rw,relatime',
        device: {
          name: 'vda',
          model: undefined,
          rotational: false,
          scheduler: 'none',
          queueDepth: 256,
          logicalBlockBytes: 512,
        },
      },
      node: { version: 'v20.0.0', v8: '11', uv: '1.46' },
      user: { root: false },
      time: '2026-01-01T00:00:00.000Z',
    },
    options: { file: null, size: 2 ** 20, quick: true, only: null },
    files: { read: { path: null, bytes: 2 ** 20 }, write: { folder: null, bytes: 0 } },
    rows,
    checklist: [],
    disturbance: { others: 0.5, stolen: 0 },
    notes: ['a note'],
    durationMs: 1234,
  }
}
