import assert from 'node:assert/strict'
import { MODES, ringTest, runModule } from './ring.test.support.js'

const FACE = new URL('./index.js', import.meta.url).href
const KERNEL = new URL('../kernel/index.js', import.meta.url).href

/** A worker with `ring`, `kernel`, `fs` and `parentPort` at hand. */
function worker(body: string): string {
  const source = `(async () => {
    const { parentPort, workerData } = await import('node:worker_threads')
    const fs = await import('node:fs')
    const ring = await import('${FACE}')
    const kernel = await import('${KERNEL}')
    ${body}
  })().catch(error => { setImmediate(() => { throw error }) })`
  return JSON.stringify(source)
}

const PRELUDE = `
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
const pipe = () => {
  const fds = new Int32Array(new ArrayBuffer(8))
  kernel.syscall('pipe2', fds, 0)
  return [fds[0], fds[1]]
}
const count = () => fs.readdirSync('/proc/self/fd').filter(fd => {
  try { return fs.readlinkSync('/proc/self/fd/' + fd).includes('io_uring') } catch { return false }
}).length
// Newer versions of libuv have rings of their own.
const others = count()
const rings = () => count() - others
`

/** Starts a read that stays in flight, into memory shared with the main thread, and says so. */
const HANGING = (mode: string) => `
  const mine = new ring.Ring({ entries: 8, mode: '${mode}' })
  const bytes = new Uint8Array(workerData.shared)
  ring.prepareRead(mine.submissions, workerData.reading, bytes, -1, 1)
  mine.submit()
  globalThis.kept = mine
  parentPort.postMessage('hanging')
`

for (const mode of MODES) {
  ringTest(`two rings in two workers do not disturb each other (${mode})`, async () => {
    const body = `
      const { Ring, prepareWrite, prepareRead, prepareNop } = ring
      const mine = new Ring({ entries: 16, mode: '${mode}' })
      const fds = new Int32Array(new ArrayBuffer(8))
      kernel.syscall('pipe2', fds, 0)
      const out = new Uint8Array(new ArrayBuffer(128)).fill(workerData)
      const back = new Uint8Array(new ArrayBuffer(128))
      let wrong = 0
      for (let round = 0; round < 300; round++) {
        prepareWrite(mine.submissions, fds[1], out, -1, 1)
        mine.submissions.mark(kernel.IOSQE.IO_LINK)
        prepareRead(mine.submissions, fds[0], back.fill(0), -1, 2)
        for (let index = 0; index < 10; index++) prepareNop(mine.submissions, 3)
        let seen = 0
        while (seen < 12) {
          mine.submit(12 - seen)
          seen += mine.reap((userData, result) => { if (userData < 3 && result !== 128) wrong++ })
        }
        if (!back.every(byte => byte === workerData)) wrong++
      }
      mine.close()
      parentPort.postMessage(wrong)`
    const { code, output } = await runModule(`${PRELUDE}
      const workers = [1, 2].map(data => new Worker(${worker(body)}, { eval: true, workerData: data }))
      const exits = workers.map(worker => once(worker, 'exit'))
      const results = await Promise.all(workers.map(async worker => (await once(worker, 'message'))[0]))
      await Promise.all(exits)
      console.log(results.join(' '), rings())`)
    assert.equal(code, 0, output)
    assert.equal(output.trim(), '0 0 0')
  })

  ringTest(
    `after a worker is terminated nothing is written to what it was reading into (${mode})`,
    async () => {
      const { code, signal, output } = await runModule(`${PRELUDE}
      const [reading, writing] = pipe()
      const shared = new SharedArrayBuffer(64)
      const bytes = new Uint8Array(shared).fill(7)
      for (let round = 0; round < 5; round++) {
        const worker = new Worker(${worker(HANGING(mode))}, { eval: true, workerData: { reading, shared } })
        await once(worker, 'message')
        await worker.terminate()
        if (rings() !== 0) throw new Error('a ring is left')
      }
      fs.writeSync(writing, 'too late')
      await new Promise(resolve => setTimeout(resolve, 50))
      console.log(bytes.every(byte => byte === 7))`)
      assert.equal(signal, null, output)
      assert.equal(code, 0, output)
      assert.equal(output.trim(), 'true')
    },
  )

  ringTest(`a worker that waits in the kernel can be terminated (${mode})`, async () => {
    const body = `
      ${HANGING(mode)}
      setImmediate(() => { for (;;) { mine.submit(1); mine.reap(() => {}) } })`
    const { code, output } = await runModule(`${PRELUDE}
      const [reading] = pipe()
      const workerData = { reading, shared: new SharedArrayBuffer(64) }
      const worker = new Worker(${worker(body)}, { eval: true, workerData })
      await once(worker, 'message')
      await worker.terminate()
      console.log('terminated', rings())`)
    assert.equal(code, 0, output)
    assert.equal(output.trim(), 'terminated 0')
  })

  ringTest(`a process ends at once although operations are in flight (${mode})`, async () => {
    const { code, signal, output } = await runModule(`${PRELUDE}
      const [reading] = pipe()
      const mine = new ring.Ring({ entries: 8, mode: '${mode}' })
      const bytes = new Uint8Array(new ArrayBuffer(4096))
      for (let index = 0; index < 8; index++) ring.prepareRead(mine.submissions, reading, bytes, -1, index)
      mine.submit()
      console.log('ending')
      process.exit(3)`)
    assert.equal(signal, null, output)
    assert.equal(code, 3, output)
    assert.equal(output.trim(), 'ending')
  })

  ringTest(`a process may end while completions are handed out (${mode})`, async () => {
    const { code, signal, output } = await runModule(`${PRELUDE}
      const [reading] = pipe()
      const mine = new ring.Ring({ entries: 8, mode: '${mode}' })
      ring.prepareRead(mine.submissions, reading, new Uint8Array(new ArrayBuffer(4096)), -1, 0)
      for (let index = 1; index < 8; index++) ring.prepareNop(mine.submissions, index)
      mine.submit(7)
      mine.reap(userData => { if (userData === 3) process.exit(4) })`)
    assert.equal(signal, null, output)
    assert.equal(code, 4, output)
  })
}

ringTest('a process that reads from the device ends without a crash, whenever that is', async () => {
  const { code, signal, output } = await runModule(`${PRELUDE}
    import { tmpdir } from 'node:os'
    import { join } from 'node:path'
    const folder = fs.mkdtempSync(join(tmpdir(), 'sluice-exit-'))
    const path = join(folder, 'file')
    fs.writeFileSync(path, new Uint8Array(1 << 22))
    fs.fsyncSync(fs.openSync(path))
    let direct
    try { direct = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECT) } catch { direct = fs.openSync(path) }
    fs.rmSync(folder, { recursive: true })
    const mine = new ring.Ring({ entries: 64, mode: 'dedicated' })
    const memory = new ArrayBuffer(65 * 65536)
    const start = kernel.addressOf(memory)
    const aligned = start + (65536 - (start % 65536))
    for (let index = 0; index < 64; index++) {
      ring.prepareReadAt(mine.submissions, direct, aligned + index * 65536, 65536, index * 65536, index)
    }
    mine.submit()
    process.exit(5)`)
  assert.equal(signal, null, output)
  assert.equal(code, 5, output)
})

ringTest(
  'an exception that nobody catches ends the process as it should, operations in flight or not',
  async () => {
    const { code, signal, output } = await runModule(`${PRELUDE}
    const [reading] = pipe()
    const mine = new ring.Ring({ entries: 8 })
    ring.prepareRead(mine.submissions, reading, new Uint8Array(new ArrayBuffer(64)), -1, 0)
    ring.prepareNop(mine.submissions, 1)
    mine.submit(1)
    mine.reap(() => { throw new Error('nobody catches this') })`)
    assert.equal(signal, null, output)
    assert.equal(code, 1, output)
    assert.match(output, /nobody catches this/)
  },
)

ringTest('a ring belongs to its thread: memory handed to another cannot be used by it', async () => {
  const { code, output } = await runModule(`${PRELUDE}
    const mine = new ring.Ring({ entries: 4, mode: 'dedicated' })
    const worker = new Worker(${worker(`
      const result = kernel.syscall('io_uring_enter', workerData, 0, 0, 1, 0, 0)
      parentPort.postMessage(result)`)}, { eval: true, workerData: mine.fd })
    const exit = once(worker, 'exit')
    const [result] = await once(worker, 'message')
    await exit
    ring.prepareNop(mine.submissions, 1)
    mine.submit(1)
    console.log(result, mine.reap(() => {}))
    mine.close()`)
  assert.equal(code, 0, output)
  // EEXIST: another thread than the one that made it.
  assert.equal(output.trim(), '-17 1')
})
