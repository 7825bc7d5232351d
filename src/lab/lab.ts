import { readFileSync } from 'node:fs'
import { checkInteger, invalidArgValue } from '../kernel/index.js'
import { fingerprint } from '../observe/index.js'
import { allRows, type Row, rowsMatching } from './catalogue.js'
import { checklist } from './checklist.js'
import { watchDisturbance } from './disturbance.js'
import { LabFiles } from './files.js'
import { readsFile } from './mechanism.js'
import type { LabReport, RowReport } from './report.js'
import { type LabProgress, Run } from './run.js'
import { FULL, type Pace, QUICK, Schedule } from './schedule.js'
import { MIB } from './sizes.js'

/** How the lab is run. */
export interface LabOptions {
  /** The file to read; it is opened read-only. Without one, a temporary file is made. */
  file?: string | undefined
  /** Bytes of the file that are used; the file's own size at most. 256 MiB by default, 64 MiB with `quick`. */
  size?: number | undefined
  /** Within some ten seconds rather than a minute: one lap of each row. */
  quick?: boolean | undefined
  /** Only rows that match. @see {@link rowsMatching} */
  only?: string | undefined
  /** Told before each lap. */
  onProgress?: ((progress: LabProgress) => void) | undefined
  /** Instead of what `quick` stands for: how the time is parted. */
  pace?: Pace | undefined
  /** Ends it early: `runLab` rejects with the signal's reason once everything is cleaned up. */
  signal?: AbortSignal | undefined
}

const FULL_SIZE = 256 * MIB
const QUICK_SIZE = 64 * MIB
/** What is written to is smaller: after each lap all of it must reach the device. */
const FULL_WRITE_SIZE = 64 * MIB
const QUICK_WRITE_SIZE = 32 * MIB
const LARGEST = 2 ** 40
/** Of the run's time, what making the files may take. */
const PREPARATION = 0.08

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

function chosenRows(only: string | undefined): Row[] {
  const rows = only === undefined ? allRows() : rowsMatching(only)
  if (rows.length > 0) return rows
  throw invalidArgValue(
    'options.only',
    only,
    'matches no row; the ids are like read/cached/random/ring-4-kib-x64',
  )
}

/** Says so where system calls could not all be counted. */
function incompleteCounts(reports: readonly RowReport[]): string[] {
  const methods = new Set(reports.map(({ result }) => result?.cost.systemCallsPerOperation?.method))
  if (!methods.has('procfs') && !methods.has('derived')) return []
  return [
    'System calls: only those like read and write could be counted, and each ring knows its own io_uring_enter; epoll_wait, futex, mmap and fsync are missing, so the numbers are too low.',
  ]
}

/**
 * Measures every mechanism for moving a file's bytes, side by side on this machine.
 *
 * A file that is given is only ever read; what is written to is a temporary file, which no way of ending leaves behind.
 * To measure reading from the device, the page cache is told to forget the file.
 *
 * @throws `ERR_INVALID_ARG_VALUE` for a file that is empty or no regular one, and for a pattern that matches no row; the
 *   system error of open(2); the reason of `signal`
 */
export async function runLab(options: LabOptions = {}): Promise<LabReport> {
  const { file, quick = false, only, size = quick ? QUICK_SIZE : FULL_SIZE } = options
  checkInteger(size, 'options.size', 1, LARGEST)
  const rows = chosenRows(only)
  const pace = options.pace ?? (quick ? QUICK : FULL)
  const disturbance = watchDisturbance()
  const schedule = new Schedule(pace, rows.length)
  const files = new LabFiles({
    file,
    nothing: rows.some(({ goal }) => goal.startsWith('net/')),
    reads: rows.some(({ goal }) => readsFile(goal)),
    writes: rows.some(({ goal }) => goal.startsWith('write/')),
    readBytes: size,
    writeBytes: Math.min(size, quick ? QUICK_WRITE_SIZE : FULL_WRITE_SIZE),
    timeMs: pace.totalMs * PREPARATION,
  })
  try {
    const run = new Run(schedule, options.signal, options.onProgress)
    const reports: RowReport[] = []
    for (const goal of new Set(rows.map(row => row.goal))) {
      const group = rows.filter(row => row.goal === goal)
      reports.push(...(await run.group(group, files.of(goal))))
    }
    return {
      format: 1,
      sluice: version(),
      fingerprint: fingerprint(file ?? files.folder ?? '.'),
      options: { file: file ?? null, size, quick, only: only ?? null },
      files: {
        read: { path: files.read?.path ?? null, bytes: files.read?.bytes ?? 0 },
        write: { folder: files.folder ?? null, bytes: files.write?.bytes ?? 0 },
      },
      rows: reports,
      checklist: checklist(reports),
      disturbance: disturbance(),
      notes: [...run.notes, ...incompleteCounts(reports)],
      durationMs: schedule.elapsedMs,
    }
  } finally {
    files.close()
  }
}
