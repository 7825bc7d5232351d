import assert from 'node:assert/strict'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { O } from '#dist/kernel/index.js'
import { runChild } from '../helpers/child.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-kernel-aio-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')
writeFileSync(path, Buffer.alloc(2 ** 20, 'x'), { flush: true })

const noDirect = (() => {
  try {
    openSync(path, O.RDONLY | O.DIRECT)
    return false
  } catch (error) {
    return `this file system has no Direct I/O: ${(error as Error).message}`
  }
})()

const ENGINE = import.meta.resolve('#dist/engine/index.js')
const MEMORY = import.meta.resolve('#dist/memory/index.js')
const PRELUDE = `
  import { openSync } from 'node:fs'
  import { Engine } from ${JSON.stringify(ENGINE)}
  import { alignedBuffer } from ${JSON.stringify(MEMORY)}
  const fd = openSync(${JSON.stringify(path)}, ${O.RDONLY | O.DIRECT})
  const read = (engine, position) => engine.read(fd, alignedBuffer(65536), 0, 65536, position)
  const own = new Engine({ driver: 'epoll' })
`

for (const call of ['io_setup', 'io_submit']) {
  test(`where a sandbox refuses ${call}, direct reads are carried out on threads`, { skip: noDirect }, () => {
    const output = runChild(`
      refuseIoUring({ code: 'EPERM', calls: ['${call}'] })
      ${PRELUDE}
      for (let round = 0; round < 3; round++) {
        const sizes = await Promise.all(Array.from({ length: 40 }, (_, index) => read(own, (index % 16) * 65536)))
        if (sizes.some(size => size !== 65536)) throw new Error(sizes.join())
      }
      console.log(readdirSync('/proc/self/task').length)
      await own.close()
    `)
    assert.ok(Number(output) > 8, `${output} threads`)
  })
}

test('a worker that is terminated with direct reads in flight leaves no context behind, and its memory is not written', {
  skip: noDirect,
}, () => {
  const worker = `
    ${PRELUDE}
    import { parentPort } from 'node:worker_threads'
    const loop = async index => { for (;;) await read(own, (index % 16) * 65536) }
    for (let index = 0; index < 100; index++) void loop(index)
    setTimeout(() => parentPort.postMessage('reading'), 5)
  `
  const output = runChild(`
    import { Worker } from 'node:worker_threads'
    import { once } from 'node:events'
    import { readFileSync } from 'node:fs'
    const source = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(worker)}))
    const zeros = Buffer.alloc(65536)
    for (let round = 0; round < 5; round++) {
      const worker = new Worker(source)
      await once(worker, 'message')
      await worker.terminate()
      // Whoever gets the memory next must find it as it was given.
      const rooms = Array.from({ length: 200 }, () => new Uint8Array(65536))
      await new Promise(resolve => setTimeout(resolve, 10))
      if (rooms.some(room => !zeros.equals(room))) throw new Error('written after the end')
    }
    console.log(readFileSync('/proc/self/maps', 'utf8').includes('[aio]'))
  `)
  assert.equal(output, 'false\n')
})

test('a process ends at once although direct reads are in flight', { skip: noDirect }, () => {
  runChild(`
    ${PRELUDE}
    for (let index = 0; index < 300; index++) read(own, (index % 16) * 65536)
    setImmediate(() => process.exit(0))
  `)
})
