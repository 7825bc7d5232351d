import assert from 'node:assert/strict'
import { test } from 'node:test'
import { countAfterEach, type EndKind, openSinkEnd, openSourceEnd, someBytes } from './ends.test.support.js'
import { type TransferOptions, transfer } from './index.js'
import { nextTurn, spend } from './turns.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const TURNS = 20
/** More than is given to all transfers of a turn. */
const ALL = 2 ** 30
const bytes = someBytes(2 ** 20 + 12345)

/** Takes all of each turn, so many microtasks after it has begun: whoever waits for it as well may be under way by then. */
async function hog(microtasks: number): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) {
    spend(ALL)
    await nextTurn()
    for (let passed = 0; passed < microtasks; passed++) await undefined
  }
}

const WAYS: readonly [EndKind, EndKind, TransferOptions['via']][] = [
  ['file', 'unix', 'preadv2'],
  ['file', 'pipe', 'preadv2'],
  ['file', 'pipe', 'splice'],
  ['file', 'unix', 'splice'],
  ['file', 'unix', 'vmsplice'],
  ['file', 'unix', 'sendfile'],
  ['pipe', 'unix', 'splice'],
  ['pipe', 'pipe', 'splice'],
  ['tcp', 'file', 'splice'],
  ['tcp', 'unix', 'splice'],
]

// A turn that somebody else has used up moves nothing: that is not the end of the source.
for (const [from, to, via] of WAYS) {
  test(`from ${from} to ${to} by ${via}, a turn that others have used up is waited for once more`, async () => {
    for (let microtasks = 0; microtasks < 6; microtasks++) await contend(from, to, via, microtasks)
  })
}

async function contend(
  from: EndKind,
  to: EndKind,
  via: TransferOptions['via'],
  microtasks: number,
): Promise<void> {
  const source = openSourceEnd(from, bytes)
  const sink = openSinkEnd(to)
  const hogs = hog(microtasks)
  const { bytes: moved } = await transfer(source.fd, sink.fd, { via })
  await hogs
  await source.close()
  const came = await sink.finish()
  assert.equal(moved, bytes.length)
  assert.equal(came.equals(bytes), true)
}
