import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { Guest, guestRequirements } from './guest.js'

const PROGRAM = fileURLToPath(new URL('./fixtures/iopoll-program.js', import.meta.url))
const MIB = 2 ** 20
/** See the program: it reads so many parts of so many bytes. */
const [PARTS, PART] = [8, 16384]

test('a ring that polls finds what a device has done that interrupts nobody', async t => {
  const kernel = await guestRequirements()
  if (typeof kernel === 'string') return t.skip(kernel)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-guest-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const image = join(folder, 'disk')
  const contents = Buffer.alloc(8 * MIB)
  for (let part = 0; part < PARTS; part++) contents.fill(part + 1, part * PART, (part + 1) * PART)
  writeFileSync(image, contents)
  const guest = new Guest(t, kernel, folder, PROGRAM, {
    modules: ['nvme'],
    parameters: { nvme: 'poll_queues=1' },
    options: [
      ...['-drive', `file=${image},if=none,id=disk,format=raw`],
      ...['-device', 'nvme,drive=disk,serial=sluice'],
    ],
  })
  const seen = JSON.parse(await guest.line())

  const every = Array.from({ length: PARTS }, (_, part) => part)
  const bytes = every.map(part => part + 1)
  for (const way of ['usual', 'polled'] as const) {
    const { results, first } = seen[way]
    assert.deepEqual(
      results.toSorted(([one]: number[], [other]: number[]) => one - other),
      every.map(part => [part, PART]),
    )
    assert.deepEqual(first, bytes, `${way}: what was read`)
  }
  // So that what is missing below is missed.
  assert.ok(seen.usual.interrupts > 0)
  assert.equal(seen.polled.interrupts, 0)
  assert.equal(seen.polled.before, 0, 'nothing is found without asking the device')
})
