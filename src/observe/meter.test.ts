import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Cost, type Meter, openMeter } from './index.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-meter-'))
const path = join(folder, 'data')
writeFileSync(path, new Uint8Array(65536))
after(() => rmSync(folder, { recursive: true }))

const OPERATIONS = 2000
/** V8's compiler and collector make a system call now and then. */
const OTHERS = 200

/** The measurement in which the least else happened. */
async function quietest(meter: Meter, work: () => void | Promise<void>): Promise<Cost> {
  const costs: Cost[] = []
  for (let round = 0; round < 5; round++) {
    meter.start()
    await work()
    costs.push(meter.stop())
  }
  const calls = (cost: Cost) => cost.systemCalls?.value ?? 0
  return costs.reduce((least, cost) => (calls(cost) < calls(least) ? cost : least))
}

function readSynchronously(): void {
  const fd = openSync(path, 'r')
  const buffer = Buffer.alloc(4096)
  for (let index = 0; index < OPERATIONS; index++) readSync(fd, buffer, 0, 4096, 0)
  closeSync(fd)
}

test('a synchronous read is one system call, and its bytes are counted', async () => {
  const meter = openMeter()
  const { systemCalls, bytesAsked } = await quietest(meter, readSynchronously)
  meter.close()
  assert.ok(systemCalls !== undefined && bytesAsked !== undefined)
  assert.ok(systemCalls.value >= OPERATIONS, `${systemCalls.value} are too few`)
  assert.ok(systemCalls.value <= OPERATIONS + OTHERS, `${systemCalls.value} are too many`)
  assert.ok(Math.abs(bytesAsked.value - OPERATIONS * 4096) < 4096, `${bytesAsked.value} bytes`)
})

test('threads that were there before the meter, and those that come later, are counted', async context => {
  const meter = openMeter()
  const note = meter.notes.find(text => text.startsWith('system calls'))
  if (note !== undefined) {
    meter.close()
    return context.skip(note)
  }
  // The first read starts libuv's threads, so the meter is there before them.
  const file = await open(path)
  const buffer = Buffer.alloc(4096)
  const read = async () => {
    for (let index = 0; index < OPERATIONS; index++) await file.read(buffer, 0, 4096, 0)
  }
  const early = await quietest(meter, read)
  meter.close()
  const later = openMeter()
  const late = await quietest(later, read)
  later.close()
  await file.close()
  // The pread(2) of the thread, and on the main thread at least an epoll_pwait(2).
  for (const { systemCalls } of [early, late]) assert.ok((systemCalls?.value ?? 0) >= 2 * OPERATIONS)
  return undefined
})

test('an empty measurement costs next to nothing', async () => {
  const meter = openMeter()
  const cost = await quietest(meter, () => {})
  meter.close()
  assert.ok((cost.systemCalls?.value ?? 0) <= 5, `${cost.systemCalls?.value} system calls`)
  assert.ok((cost.bytesAsked?.value ?? 0) < 64, `${cost.bytesAsked?.value} bytes`)
})

test('without counters, everything is taken from what the kernel accounts for everybody', () => {
  const meter = openMeter({ counters: false })
  meter.start()
  const cost = meter.stop()
  meter.close()
  assert.deepEqual(meter.notes, [])
  const methods = Object.fromEntries(Object.entries(cost).map(([name, { method }]) => [name, method]))
  assert.equal(methods.elapsedNs, 'clock')
  assert.equal(methods.systemCalls, 'procfs')
  assert.equal(methods.contextSwitches, 'getrusage')
  assert.equal(methods.cpuUs, 'getrusage')
  assert.equal(cost.migrations, undefined)
})

test('where counters may not be used, the meter says so and measures on', () => {
  const meter = openMeter()
  meter.start()
  const cost = meter.stop()
  meter.close()
  const best = cost.systemCalls?.method === 'tracepoint' && cost.contextSwitches.method === 'perf'
  assert.equal(meter.notes.length === 0, best, meter.notes.join('; '))
  assert.ok(cost.cpuUs.value >= 0)
})

test('no number is negative, and each says how it was come by', async () => {
  const meter = openMeter()
  const cost = await quietest(meter, readSynchronously)
  meter.close()
  for (const [name, { value, method }] of Object.entries(cost)) {
    assert.ok(value >= 0, `${name} is ${value}`)
    assert.equal(typeof method, 'string', name)
  }
  assert.ok(cost.elapsedNs.value > 0)
  assert.ok(cost.cpuUs.value > 0)
})

test('a meter that was not started cannot be stopped', () => {
  const meter = openMeter({ counters: false })
  assert.throws(() => meter.stop(), /not started/)
  meter.start()
  meter.stop()
  assert.throws(() => meter.stop(), /not started/)
  meter.close()
  meter.close()
})
