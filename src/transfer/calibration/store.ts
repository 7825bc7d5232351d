import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { arch, availableParallelism, cpus, homedir, release } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { pid } from 'node:process'
import { threadId } from 'node:worker_threads'
import type { CostSample } from './measure.js'

/** What is kept of a measurement. */
export interface Calibration {
  version: number
  /** What it was measured on; on anything else it does not count. */
  machine: string
  /** When, as ISO 8601 in UTC. */
  measured: string
  /** Files up to so many bytes are better copied than lent to a socket. */
  copiedBytes: number
  samples: CostSample[]
}

/** More was never measured: whoever says so would have whole files copied. */
const MOST_COPIED_BYTES = 2 ** 19
/** Raised when something else is measured, or otherwise. */
export const CALIBRATION_VERSION = 1
const MAX_AGE_MS = 30 * 86_400_000

/** What decides how fast bytes move here, in short. */
export function machineName(): string {
  return [release(), arch(), cpus()[0]?.model.trim() ?? 'unknown', `${availableParallelism()} CPUs`].join(
    ' / ',
  )
}

/** Where it is kept: `sluice/calibration.json` in the XDG cache folder. */
export function calibrationPath(): string {
  const folder = process.env.XDG_CACHE_HOME ?? ''
  return join(isAbsolute(folder) ? folder : join(homedir(), '.cache'), 'sluice', 'calibration.json')
}

function isCalibration(value: unknown): value is Calibration {
  const { version, machine, measured, copiedBytes, samples } = (value ?? {}) as Calibration
  return (
    version === CALIBRATION_VERSION &&
    typeof machine === 'string' &&
    typeof measured === 'string' &&
    Number.isSafeInteger(copiedBytes) &&
    copiedBytes >= 0 &&
    copiedBytes <= MOST_COPIED_BYTES &&
    Array.isArray(samples)
  )
}

/**
 * Reads what was measured before.
 *
 * @returns it, or in words why there is none that counts: absent, unreadable, damaged, of another machine, or too old
 */
export async function loadCalibration(path: string): Promise<Calibration | string> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    return (error as Error).message
  }
  if (!isCalibration(value)) return 'it is none of this version'
  if (value.machine !== machineName()) return 'it is of another machine'
  const age = Date.now() - Date.parse(value.measured)
  return age >= 0 && age < MAX_AGE_MS ? value : 'it is too old'
}

/** Keeps a measurement. @returns in words why it could not be; undefined when it was */
export async function storeCalibration(path: string, calibration: Calibration): Promise<string | undefined> {
  const temporary = `${path}.${pid}.${threadId}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(temporary, `${JSON.stringify(calibration, null, 2)}\n`)
    await rename(temporary, path)
    return undefined
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    return (error as Error).message
  }
}
