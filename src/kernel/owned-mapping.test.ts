import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { MAP, OwnedMapping, PAGE_SIZE, PROT } from './index.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-owned-mapping-'))
after(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'file')
writeFileSync(file, new Uint8Array(2 * PAGE_SIZE))
const fd = openSync(file, 'r')
const isMapped = () => readFileSync('/proc/self/maps', 'utf8').includes(file)

test('a mapping is there until it is closed, and is closed once', () => {
  const mapping = new OwnedMapping(PAGE_SIZE, PROT.READ, MAP.SHARED, fd, PAGE_SIZE)
  assert.ok(mapping.address > 0)
  assert.ok(isMapped())
  mapping.close()
  assert.ok(!isMapped())
  mapping.close()
})

test('what cannot be mapped is the error of mmap', () => {
  assert.throws(() => new OwnedMapping(PAGE_SIZE, PROT.READ, MAP.SHARED, fd, 1), {
    code: 'EINVAL',
    syscall: 'mmap',
  })
})

test('a worker that is terminated leaves no mapping behind', async () => {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.module).then(({ MAP, OwnedMapping, PROT }) => {
      globalThis.mapping = new OwnedMapping(4096, PROT.READ, MAP.SHARED, workerData.fd, 0)
      parentPort.on('message', () => {})
      parentPort.postMessage('mapped')
    })`
  const workerData = { module: import.meta.resolve('./index.js'), fd }
  const worker = new Worker(program, { eval: true, workerData })
  await once(worker, 'message')
  assert.ok(isMapped())
  await worker.terminate()
  assert.ok(!isMapped())
})
