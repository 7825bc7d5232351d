import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { driverTest, openDescriptors, room, runChild, until } from './driver-test.test.support.js'

const MODULE = new URL('./index.js', import.meta.url).href

/** A worker with an engine of its own. */
function worker(driver: string, program: string, workerData: unknown): Worker {
  const source = `
    import { workerData, parentPort } from 'node:worker_threads'
    import { Engine } from ${JSON.stringify(MODULE)}
    const engine = new Engine({ driver: ${JSON.stringify(driver)} })
    const room = size => new Uint8Array(new ArrayBuffer(size))
    ${program}
  `
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData })
}

driverTest('engines in two workers do not mind one another', async kit => {
  const fd = kit.file(new Uint8Array(1 << 16).fill(7))
  const program = `
    for (let round = 0; round < 50; round++) {
      const buffers = Array.from({ length: 32 }, () => room(1024))
      const sizes = await Promise.all(buffers.map((buffer, index) => engine.read(workerData, buffer, 0, 1024, index * 1024)))
      if (sizes.some(size => size !== 1024) || buffers.some(buffer => buffer.some(byte => byte !== 7))) throw new Error('wrong')
    }
    parentPort.postMessage(engine.stats().completions)
    await engine.close()
  `
  const workers = [worker(kit.driver, program, fd), worker(kit.driver, program, fd)]
  const messages = workers.map(each => once(each, 'message'))
  const exits = workers.map(each => once(each, 'exit'))
  const engine = kit.engine()
  for (let round = 0; round < 50; round++) {
    assert.equal(await engine.read(fd, room(1024), 0, 1024, 0), 1024)
  }
  assert.deepEqual((await Promise.all(messages)).flat(), [1600, 1600])
  assert.deepEqual((await Promise.all(exits)).flat(), [0, 0])
})

driverTest('a worker that is terminated in mid-flight leaves nothing behind', async kit => {
  const [reader, writer] = kit.pipe()
  const file = kit.file(new Uint8Array(1 << 16))
  const program = `
    for (let index = 0; index < 50; index++) engine.read(workerData.reader, room(4096), 0, 4096, -1).catch(() => {})
    const loop = async () => {
      for (;;) {
        await Promise.all(Array.from({ length: 20 }, () => engine.write(workerData.file, room(4096), 0, 4096, 0)))
        parentPort.postMessage('round')
      }
    }
    loop()
  `
  const first = worker(kit.driver, program, { reader, file })
  await once(first, 'message')
  await first.terminate()
  const descriptors = openDescriptors()
  const threads = () => readdirSync('/proc/self/task').length
  const before = threads()
  for (let round = 0; round < 5; round++) {
    const each = worker(kit.driver, program, { reader, file })
    await once(each, 'message')
    await each.terminate()
  }
  await until(() => threads() <= before, 'its threads have ended')
  assert.ok(openDescriptors() <= descriptors, `${openDescriptors()} descriptors, ${descriptors} before`)
  // And nobody is there any more to take what comes.
  const engine = kit.engine()
  writeSync(writer, 'data')
  const buffer = room(8)
  assert.equal(await engine.read(reader, buffer, 0, 8, -1), 4)
})

driverTest('a worker ends by itself when its engine is idle', async kit => {
  const fd = kit.file('data')
  const program = 'parentPort.postMessage(await engine.read(workerData, room(4), 0, 4, 0))'
  const each = worker(kit.driver, program, fd)
  const exit = once(each, 'exit')
  assert.deepEqual(await once(each, 'message'), [4])
  assert.deepEqual(await exit, [0])
})

driverTest('process.exit() with workers in mid-flight ends with its code', kit => {
  const { status, signal, stderr } = runChild(
    kit.driver,
    `
    import { Worker } from 'node:worker_threads'
    const [reader] = makePipe()
    const source = \`
      import { workerData, parentPort } from 'node:worker_threads'
      import { Engine } from '${MODULE}'
      const engine = new Engine({ driver: '\${driver}' })
      const room = size => new Uint8Array(new ArrayBuffer(size))
      for (let index = 0; index < 50; index++) engine.read(workerData, room(65536), 0, 65536, -1)
      parentPort.postMessage('there')
    \`
    const url = new URL('data:text/javascript,' + encodeURIComponent(source))
    const workers = [new Worker(url, { workerData: reader }), new Worker(url, { workerData: reader })]
    await Promise.all(workers.map(worker => new Promise(resolve => worker.once('message', resolve))))
    process.exit(9)
    `,
  )
  assert.deepEqual({ status, signal }, { status: 9, signal: null }, stderr)
})
