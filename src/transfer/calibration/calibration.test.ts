import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { boundary } from './calibration.js'
import { calibrate, calibration } from './index.js'
import {
  CALIBRATION_VERSION,
  type Calibration,
  loadCalibration,
  machineName,
  storeCalibration,
} from './store.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-calibration-'))
after(() => rmSync(folder, { recursive: true, force: true }))
process.env.XDG_CACHE_HOME = folder

const good: Calibration = {
  version: CALIBRATION_VERSION,
  machine: machineName(),
  measured: new Date().toISOString(),
  copiedBytes: 65536,
  samples: [],
}

test('what is damaged, of another machine, too old or beyond all measure does not count', async () => {
  const path = join(folder, 'kept.json')
  const cases = [
    '',
    '{',
    'null',
    '[]',
    JSON.stringify({ ...good, version: 0 }),
    JSON.stringify({ ...good, machine: 'another' }),
    JSON.stringify({ ...good, measured: '2001-01-01T00:00:00Z' }),
    JSON.stringify({ ...good, measured: 'never' }),
    JSON.stringify({ ...good, copiedBytes: 2 ** 40 }),
    JSON.stringify({ ...good, copiedBytes: -1 }),
    JSON.stringify({ ...good, samples: undefined }),
    Buffer.from([0xff, 0xfe, 0]),
  ]
  for (const text of cases) {
    writeFileSync(path, text)
    assert.equal(typeof (await loadCalibration(path)), 'string', String(text))
  }
  assert.equal(typeof (await loadCalibration(join(folder, 'nothing'))), 'string')
  assert.equal(await storeCalibration(path, good), undefined)
  assert.deepEqual(await loadCalibration(path), good)
})

test('measured by many at once, it is kept once and whole, with nothing left beside it', async () => {
  const states = await Promise.all([calibrate(), calibrate(), calibrate()])
  const { path, from, reason, copiedBytes } = calibration()
  assert.equal(from, 'measurement')
  assert.equal(reason, undefined)
  for (const state of states) assert.equal(state, states[0])
  assert.equal((JSON.parse(readFileSync(path, 'utf8')) as Calibration).copiedBytes, copiedBytes)
  assert.deepEqual(readdirSync(dirname(path)), ['calibration.json'])
})

test('a place that cannot be written to is told, and what was measured counts', async () => {
  const state = await storeCalibration('/dev/null/calibration/kept.json', good)
  assert.equal(typeof state, 'string')
})

test('copying pays up to the first size at which it does not', () => {
  const sample = (bytes: number, copiedNs: number, lentNs: number) => ({ bytes, copiedNs, lentNs })
  assert.equal(boundary([]), 0)
  assert.equal(boundary([sample(1, 2, 1), sample(2, 1, 2)]), 0)
  assert.equal(boundary([sample(1, 1, 2), sample(2, 1, 2), sample(4, 3, 2), sample(8, 1, 2)]), 2)
})
