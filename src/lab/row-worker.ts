/**
 * The process that runs rows: made with the window as its argument and the file as descriptor 3. It says that it is
 * ready with an empty line; then every line on standard input is a request for a lap, answered by a line on standard
 * output. It ends when its input does.
 */
import { createInterface } from 'node:readline'
import { SluiceError, syscall } from '../kernel/index.js'
import { allRows } from './catalogue.js'
import type { LapAnswer, LapRequest } from './lap-report.js'
import { Measurement } from './measure.js'

const PR_SET_PDEATHSIG = 1
const SIGKILL = 9
/** Refusals of the machine rather than mistakes of ours. */
const REFUSALS = new Set([
  'EINVAL',
  'EPERM',
  'EACCES',
  'ENOSYS',
  'EOPNOTSUPP',
  'ENOMEM',
  'EAGAIN',
  'EMFILE',
  'ENOSPC',
])

const FILE = '/proc/self/fd/3'
const window = Number(process.argv[2])
const measurements = new Map<string, Measurement>()

function measurementOf(id: string): Measurement {
  let measurement = measurements.get(id)
  if (measurement === undefined) {
    const row = allRows().find(each => each.id === id)
    if (row === undefined) throw new Error(`There is no row ${id}`)
    measurement = new Measurement(row, FILE, window)
    measurements.set(id, measurement)
  }
  return measurement
}

function unable(error: unknown): LapAnswer {
  const { code, message, stack } = error as NodeJS.ErrnoException
  if (error instanceof SluiceError || (code !== undefined && REFUSALS.has(code)))
    return { unavailable: message }
  return { failed: stack ?? message }
}

async function serve(): Promise<void> {
  // However the lab ends, nothing of it keeps reading.
  syscall('prctl', PR_SET_PDEATHSIG, SIGKILL)
  process.stdout.write('\n')
  for await (const line of createInterface({ input: process.stdin })) {
    let answer: LapAnswer
    try {
      const request: LapRequest = JSON.parse(line)
      answer = { lap: await measurementOf(request.row).lap(request) }
    } catch (error) {
      answer = unable(error)
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
  for (const measurement of measurements.values()) measurement.close()
}

await serve()
