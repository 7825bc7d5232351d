import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'sluice-memory-gc-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'file')
writeFileSync(path, new Uint8Array(1 << 20).fill(7))

const MODULE = new URL('./index.js', import.meta.url).href

const PRELUDE = `
  import assert from 'node:assert/strict'
  import { openSync, readFileSync } from 'node:fs'
  import { setImmediate } from 'node:timers/promises'
  import { Arena, Mapping, pin, regionOf, unpin } from ${JSON.stringify(MODULE)}
  const fd = openSync(${JSON.stringify(path)}, 'r+')
  const mapped = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').filter(line => line.endsWith(${JSON.stringify(path)})).length
  const collect = async until => {
    for (let round = 0; round < 50 && !until?.(); round++) {
      gc()
      await setImmediate()
    }
  }
`

/** Runs a program in a Node of its own, whose garbage collector can be called. */
function run(program: string): void {
  const args = ['--expose-gc', '--input-type=module', '--eval', PRELUDE + program]
  execFileSync(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'], timeout: 60_000 })
}

test('a mapping that is forgotten, with its views, is unmapped', () => {
  run(`
    for (let index = 0; index < 20; index++) new Mapping({ file: fd }).bytes[0]
    await collect(() => mapped() === 0)
    assert.equal(mapped(), 0)
  `)
})

test('a view keeps the memory of a forgotten mapping', () => {
  run(`
    const view = (() => new Mapping({ file: fd }).bytes.subarray(1000, 1010))()
    await collect()
    assert.equal(mapped(), 1)
    assert.equal(view[9], 7)
  `)
})

test('memory in flight is neither collected nor unmapped, whatever becomes of its mapping', () => {
  run(`
    // As the engine's slot does: it holds the view, and a pin.
    const slots = []
    const start = mapping => {
      const view = mapping.bytes
      const region = regionOf(view.buffer)
      pin(region)
      slots.push({ view, region })
    }
    start(new Mapping({ file: fd }))
    const unmapped = new Mapping({ file: fd })
    start(unmapped)
    unmapped.unmap()
    await collect()
    assert.equal(mapped(), 2)
    for (const { region } of slots) unpin(region)
    assert.equal(mapped(), 1)
    slots.length = 0
    await collect(() => mapped() === 0)
    assert.equal(mapped(), 0)
  `)
})

test('memory in flight outlives the ArrayBuffer that transfer() moved it to', t => {
  if (!('transfer' in ArrayBuffer.prototype)) return t.skip('this Node has no ArrayBuffer.prototype.transfer')
  for (const move of [
    'buffer.transfer()',
    'buffer.transfer(16)',
    'structuredClone(buffer, { transfer: [buffer] })',
  ]) {
    run(`
      let slot
      const begin = () => {
        const view = new Mapping({ file: fd }).bytes
        const region = regionOf(view.buffer)
        pin(region)
        slot = { view, region }
        const { buffer } = view
        try {
          ${move}
        } catch (error) {
          assert.equal(error.name, 'DataCloneError')
        }
      }
      begin()
      await collect()
      assert.equal(mapped(), 1)
      unpin(slot.region)
      slot = undefined
      await collect(() => mapped() === 0)
      assert.equal(mapped(), 0)
    `)
  }
  return undefined
})

test('a block that is out keeps the slab of a forgotten arena', () => {
  run(`
    const block = (() => new Arena({ blockSize: 4096, blocks: 8 }).take())()
    block.bytes.fill(5)
    await collect()
    assert.ok(block.bytes.every(byte => byte === 5))
    block.release()
  `)
})

test('a worker that ends takes its mappings with it', () => {
  run(`
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    const program = \`
      import { parentPort, workerData } from 'node:worker_threads'
      const { Mapping } = await import(workerData.module)
      globalThis.kept = new Mapping({ file: workerData.fd })
      parentPort.on('message', () => {})
      parentPort.postMessage(globalThis.kept.bytes[0])
    \`
    const worker = new Worker(program, { eval: true, workerData: { fd, module: ${JSON.stringify(MODULE)} } })
    const [first] = await once(worker, 'message')
    assert.equal(first, 7)
    assert.equal(mapped(), 1)
    await worker.terminate()
    assert.equal(mapped(), 0)
  `)
})
