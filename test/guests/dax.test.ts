import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { Guest, guestRequirements, PMEM_BYTES, persistentMemory } from './guest.js'

const PROGRAM = fileURLToPath(new URL('./fixtures/dax-program.js', import.meta.url))
const PAGE = 4096
const PAGES = 16

/** What the file has that was flushed: see the program. */
function expected(): Buffer {
  const bytes = Buffer.alloc(PAGES * PAGE, 'persistent')
  for (let page = 0; page < PAGES; page++) bytes[page * PAGE] = page
  return bytes
}

test('on persistent memory flush() makes no system call, and what it flushed outlives a power cut', async t => {
  const kernel = await guestRequirements()
  if (typeof kernel === 'string') return t.skip(kernel)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-guest-'))
  const at = (name: string) => join(folder, name)
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(at('image'), '')
  truncateSync(at('image'), PMEM_BYTES)
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-b', `${PAGE}`, at('image')])
  const guest = new Guest(t, kernel, folder, PROGRAM, persistentMemory(at('image')))
  const seen = JSON.parse(await guest.line())
  assert.equal(await guest.line(), 'written')
  await guest.cutPower()

  t.diagnostic(`written back by ${seen.instruction}`)
  // The kernel's flag for MAP_SYNC: a page can be written to only when the file system has on record where it is.
  assert.ok(seen.flags.flushed.includes('sf'), `${seen.flags.flushed}`)
  assert.ok(!seen.flags.plain.includes('sf'), `${seen.flags.plain}`)
  assert.deepEqual(seen.probed, { active: true, mapSync: 'ok' })
  assert.equal(seen.flushCalls, 0)
  assert.ok(seen.syncCalls > 0)

  guest.savePersistent(at('after'))
  const repaired = spawnSync('e2fsck', ['-f', '-y', at('after')], { encoding: 'utf8' })
  assert.ok((repaired.status ?? 8) < 4, repaired.stdout)
  execFileSync('debugfs', ['-R', `dump /flushed ${at('flushed')}`, at('after')], { stdio: 'ignore' })
  assert.ok(readFileSync(at('flushed')).equals(expected()))
  // It was a power cut: what nobody made durable is gone.
  const names = execFileSync('debugfs', ['-R', 'ls -p', at('after')], { encoding: 'utf8', stdio: 'pipe' })
  assert.match(names, /\/flushed\//)
  assert.doesNotMatch(names, /\/plain\//)
})
