import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { IORING_FEAT, IORING_OP, IORING_SETUP, probe, RLIMIT, resourceLimit } from '#dist/kernel/index.js'
import { Ring } from '#dist/ring/index.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-probe-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const { SLUICE_DRIVER } = process.env
const result = probe(folder)
const noRing = result.ioUring.available ? false : `no io_uring here: ${result.ioUring.refusal?.reason}`

test('its JSON says all that it found', () => {
  assert.deepEqual(JSON.parse(JSON.stringify(result)), result)
})

test('what it says of operations and features is what a ring says', { skip: noRing }, () => {
  const { ioUring } = result
  using ring = new Ring({ entries: 8 })
  assert.deepEqual(
    ioUring.operations.map(({ name, supported }) => [name, supported]),
    Object.entries(IORING_OP).map(([name, number]) => [name, ring.supports(number)]),
  )
  assert.deepEqual(
    ioUring.features.map(({ name, supported }) => [name, supported]),
    Object.entries(IORING_FEAT).map(([name, bit]) => [name, (ring.features & bit) !== 0]),
  )
})

test('a ring gets the flags that it says are supported', { skip: noRing }, () => {
  const flags = new Map(result.ioUring.setupFlags.map(({ name, supported }) => [name, supported]))
  assert.deepEqual([...flags.keys()], Object.keys(IORING_SETUP))
  using ring = new Ring({ entries: 8, mode: 'dedicated' })
  for (const name of ['DEFER_TASKRUN', 'SINGLE_ISSUER', 'SUBMIT_ALL', 'NO_SQARRAY'] as const) {
    assert.equal((ring.flags & IORING_SETUP[name]) !== 0, flags.get(name), name)
  }
})

test('what a kernel has had longer than another thing that it has, it has too', { skip: noRing }, () => {
  // Configuration can take single operations away, but not features or flags of every ring.
  const version = (text: string) => Number(text.split('.')[0]) * 1000 + Number(text.split('.')[1])
  for (const offers of [result.ioUring.features, result.ioUring.setupFlags]) {
    const newest = Math.max(...offers.filter(offer => offer.supported).map(offer => version(offer.since)))
    const missing = offers.filter(offer => !offer.supported && version(offer.since) < newest)
    assert.deepEqual(missing, [])
  }
})

test('the driver is the ring where it works, unless another is demanded', () => {
  if (SLUICE_DRIVER === undefined) assert.equal(result.driver.name, noRing === false ? 'ring' : 'epoll')
  else assert.deepEqual([result.driver.name, result.driver.demanded], [SLUICE_DRIVER, true])
})

test('limits are those of the process', () => {
  const { soft } = resourceLimit(RLIMIT.NOFILE)
  assert.equal(result.limits.openFiles.soft, soft === Infinity ? null : soft)
  assert.equal(result.limits.memlock.exempt, result.system.capabilities.includes('CAP_IPC_LOCK'))
})

test('it leaves nothing behind: no descriptor, no mapping, no file', () => {
  const descriptors = () => readdirSync('/proc/self/fd').length
  const mappings = () =>
    readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .filter(line => /io_uring|userfaultfd/.test(line)).length
  probe(folder)
  const before = [descriptors(), mappings()]
  for (let round = 0; round < 5; round++) probe(folder)
  assert.deepEqual([descriptors(), mappings()], before)
  assert.deepEqual(readdirSync(folder), [])
})

test('the file system is told as statfs tells it, for a folder and for a file in it', () => {
  const file = join(folder, 'a file')
  writeFileSync(file, 'untouched')
  for (const path of [folder, file]) {
    const facts = probe(path).path
    const space = statfsSync(path)
    assert.equal(facts.path, path)
    assert.equal(facts.kind, path === file ? 'file' : 'directory')
    assert.equal(facts.writable, true)
    assert.equal(facts.blockSize, space.bsize)
    assert.equal(facts.totalBytes, space.blocks * space.bsize)
    assert.ok(facts.mount !== null && facts.mount.type.length > 0)
  }
  assert.equal(readFileSync(file, 'utf8'), 'untouched')
  rmSync(file)
})

test('what cannot be written to is told as far as it goes', () => {
  const facts = probe('/proc')
  assert.equal(facts.path.writable, false)
  assert.equal(facts.path.mount?.type, 'proc')
  assert.equal(facts.path.reflink, null)
  assert.ok(facts.advice.some(({ about }) => about === 'path'))
  const device = probe('/dev/null').path
  assert.equal(device.kind, 'other')
})

test('a path that is not there, or no path, is an error', () => {
  assert.throws(() => probe(join(folder, 'missing')), { code: 'ENOENT' })
  assert.throws(() => probe(3 as unknown as string), { code: 'ERR_INVALID_ARG_TYPE' })
})
