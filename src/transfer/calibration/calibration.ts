import { type CostSample, measureCosts } from './measure.js'
import {
  CALIBRATION_VERSION,
  type Calibration,
  calibrationPath,
  loadCalibration,
  machineName,
  storeCalibration,
} from './store.js'

/** Bytes of a file up to which it is copied to a socket, until it has been measured. */
export const DEFAULT_COPIED_BYTES = 2 ** 15

/** What transfers choose by. */
export interface Costs {
  /** Files up to so many bytes are better copied than lent to a socket. */
  copiedBytes: number
}

/** Where this thread's {@link Costs} come from. */
export interface CalibrationState extends Costs {
  /** `default` until something was read or measured. */
  from: 'default' | 'file' | 'measurement'
  /** Where it is kept. */
  path: string
  /** Why it is not measured, not read, or not kept. */
  reason: string | undefined
  samples: readonly CostSample[]
}

let state: CalibrationState | undefined
/** A transfer has asked what to choose by. */
let asked = false
let underWay: Promise<CalibrationState> | undefined

/**
 * What this thread's transfers choose by, and where that comes from.
 *
 * It is read from `sluice/calibration.json` in the XDG cache folder, and measured and kept there when it is absent, older
 * than 30 days or of another machine. `SLUICE_CALIBRATION=off` does neither.
 */
export function calibration(): CalibrationState {
  state ??= initialState()
  return state
}

function initialState(): CalibrationState {
  const reason = isOff() ? 'SLUICE_CALIBRATION is off' : undefined
  return { copiedBytes: DEFAULT_COPIED_BYTES, from: 'default', path: calibrationPath(), reason, samples: [] }
}

function isOff(): boolean {
  return process.env.SLUICE_CALIBRATION === 'off'
}

/** What to choose by now. The first to ask sets off the reading, or the measurement. */
export function measuredCosts(): Costs {
  if (asked && state !== undefined) return state
  asked = true
  // Somebody may have looked at the state before, which sets off nothing.
  const known = calibration()
  if (known.from === 'default' && !isOff()) void begin()
  return known
}

function begin(): Promise<CalibrationState> {
  underWay ??= readOrMeasure().finally(() => {
    underWay = undefined
  })
  return underWay
}

async function readOrMeasure(): Promise<CalibrationState> {
  const { path } = calibration()
  const kept = await loadCalibration(path)
  if (typeof kept === 'string') return measureOnce()
  const { copiedBytes, samples } = kept
  state = { copiedBytes, from: 'file', path, reason: undefined, samples }
  return state
}

let measuring: Promise<CalibrationState> | undefined

/**
 * Measures anew, and keeps it. It never fails: the state's `reason` says what could not be done. Who asks while it is under
 * way gets the same.
 *
 * @returns what transfers choose by from now on
 */
export async function calibrate(): Promise<CalibrationState> {
  // What runs beside transfers keeps no process alive, but somebody waits for this.
  const alive = setInterval(() => {}, 2 ** 30)
  try {
    return await measureOnce()
  } finally {
    clearInterval(alive)
  }
}

function measureOnce(): Promise<CalibrationState> {
  measuring ??= measure().finally(() => {
    measuring = undefined
  })
  return measuring
}

async function measure(): Promise<CalibrationState> {
  const { path } = calibration()
  try {
    const samples = await measureCosts()
    const copiedBytes = boundary(samples)
    const measured = new Date().toISOString()
    const kept: Calibration = {
      version: CALIBRATION_VERSION,
      machine: machineName(),
      measured,
      copiedBytes,
      samples,
    }
    const reason = isOff() ? 'SLUICE_CALIBRATION is off' : await storeCalibration(path, kept)
    state = { copiedBytes, from: 'measurement', path, reason, samples }
  } catch (error) {
    state = { ...calibration(), reason: `it could not be measured: ${(error as Error).message}` }
  }
  return state
}

/** Up to which size copying was cheaper, and for every smaller one too. */
export function boundary(samples: readonly CostSample[]): number {
  let bytes = 0
  for (const sample of samples) {
    if (sample.copiedNs > sample.lentNs) break
    bytes = sample.bytes
  }
  return bytes
}
