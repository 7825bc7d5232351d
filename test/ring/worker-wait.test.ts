import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChild } from '../helpers/child.js'

const RING = import.meta.resolve('#dist/ring/index.js')

/** A worker that blocks in the kernel until something comes through a pipe. */
const blocked = (mode: string, wait: string) => `
  import { once } from 'node:events'
  import { readlinkSync } from 'node:fs'
  import { Worker } from 'node:worker_threads'
  const target = fd => {
    try {
      return readlinkSync('/proc/self/fd/' + fd)
    } catch {
      return ''
    }
  }
  const rings = () => readdirSync('/proc/self/fd').filter(fd => target(fd).includes('io_uring')).length
  const pipe = new Int32Array(new ArrayBuffer(8))
  kernel.syscall('pipe2', pipe, 0)
  const source = \`
    import { parentPort, workerData } from 'node:worker_threads'
    import { prepareRead, Ring } from ${JSON.stringify(RING)}
    const ring = new Ring({ mode: '${mode}' })
    const byte = new Uint8Array(new ArrayBuffer(128))
    prepareRead(ring.submissions, workerData, byte, -1, 7)
    parentPort.postMessage('there')
    setImmediate(() => {
      const consumed = ring.submit(${wait})
      ring.reap((userData, result) => parentPort.postMessage([consumed, userData, result, byte.length]))
      ring.close()
    })
  \`
  const before = rings()
  const url = new URL('data:text/javascript,' + encodeURIComponent(source))
  const worker = new Worker(url, { workerData: pipe[0] })
  await once(worker, 'message')
`

/** Each way of waiting by itself; in a brief run of the suite the one that is all of them. */
const WAITS = ['1', '1, 600000', '1, 600000, 500000000'].slice(
  process.env.SLUICE_TEST_BRIEF === undefined ? 0 : 2,
)

for (const mode of ['hosted', 'dedicated', 'sqpoll']) {
  for (const wait of WAITS) {
    test(`a worker in submit(${wait}) of a ${mode} ring can be terminated`, () => {
      const printed = runChild(`${blocked(mode, wait)}
        // Time to get there.
        await new Promise(resolve => setTimeout(resolve, 100))
        await worker.terminate()
        console.log(rings() - before)
      `)
      assert.equal(printed, '0\n')
    })
  }

  test(`a process whose worker waits in a ${mode} ring can exit`, () => {
    runChild(`${blocked(mode, '1')}
      process.exit(0)
    `)
  })

  test(`a worker waits in a ${mode} ring for as long as it takes`, () => {
    const printed = runChild(`${blocked(mode, '1')}
      const message = once(worker, 'message')
      await new Promise(resolve => setTimeout(resolve, 250))
      kernel.syscall('write', pipe[1], new Uint8Array(new ArrayBuffer(128)), 1)
      console.log((await message)[0].join())
    `)
    assert.equal(printed, '1,7,1,128\n')
  })

  test(`a worker waits in a ${mode} ring no longer than it was told to`, () => {
    const printed = runChild(`${blocked(mode, '1, 150')}
      const [code] = await once(worker, 'exit')
      console.log(code)
    `)
    assert.equal(printed, '0\n')
  })
}
