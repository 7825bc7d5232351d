import assert from 'node:assert/strict'
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { openSinkEnd, scratchFile, scratchPath, someBytes } from '../ends.test.support.js'
import { calibration, transfer } from '../index.js'
import { CALIBRATION_VERSION, type Calibration, machineName } from './store.js'

delete process.env.SLUICE_CALIBRATION
process.env.XDG_CACHE_HOME = scratchPath('cache')

/** No size that would be assumed, or measured. */
const COPIED_BYTES = 77_777

test('what was measured before is read at the first transfer, and chosen by', async () => {
  const kept: Calibration = {
    version: CALIBRATION_VERSION,
    machine: machineName(),
    measured: new Date().toISOString(),
    copiedBytes: COPIED_BYTES,
    samples: [],
  }
  const path = join(scratchPath('cache'), 'sluice', 'calibration.json')
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, JSON.stringify(kept))
  const file = openSync(scratchFile(someBytes(2 * COPIED_BYTES)), 'r')
  const sink = openSinkEnd('tcp')
  let sent = 0
  const chosen = async (length: number) => {
    sent += length
    return (await transfer(file, sink.fd, { offset: 0, length })).via
  }
  assert.equal(calibration().from, 'default')
  assert.equal(await chosen(32_768), 'preadv2')
  while (calibration().from === 'default') await turn()
  assert.deepEqual(
    { ...calibration() },
    { copiedBytes: COPIED_BYTES, from: 'file', path, reason: undefined, samples: [] },
  )
  assert.equal(await chosen(COPIED_BYTES), 'preadv2')
  assert.equal(await chosen(COPIED_BYTES + 1), 'sendfile')
  const pipe = openSinkEnd('pipe')
  assert.equal((await transfer(file, pipe.fd, { offset: 0, length: 100 })).via, 'splice')
  assert.equal((await pipe.finish()).length, 100)
  closeSync(file)
  assert.equal((await sink.finish()).length, sent)
})
