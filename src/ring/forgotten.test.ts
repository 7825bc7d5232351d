import assert from 'node:assert/strict'
import { MODES, ringTest, runModule } from './ring.test.support.js'

/** How many descriptors of rings this process holds, and a way to have garbage collected. */
const PRELUDE = `
const { Ring, prepareRead, prepareNop, BufferRing } = ring
const count = () => fs.readdirSync('/proc/self/fd').filter(fd => {
  try { return fs.readlinkSync('/proc/self/fd/' + fd).includes('io_uring') } catch { return false }
}).length
// Newer versions of libuv have rings of their own.
const others = count()
const rings = () => count() - others
const pause = () => new Promise(resolve => setImmediate(resolve))
const collected = async () => {
  for (let round = 0; round < 200 && rings() > 0; round++) { globalThis.gc(); await pause() }
  return rings()
}
const pipe = () => {
  const fds = new Int32Array(new ArrayBuffer(8))
  kernel.syscall('pipe2', fds, 0)
  return [fds[0], fds[1]]
}
`

for (const mode of MODES) {
  ringTest(`a ring that is forgotten is closed when it is collected (${mode})`, async () => {
    const source = `${PRELUDE}
      const [reading, writing] = pipe()
      const bytes = new Uint8Array(new ArrayBuffer(4096)).fill(7)
      const forget = () => {
        for (let index = 0; index < 10; index++) {
          const mine = new Ring({ entries: 4, mode: '${mode}' })
          mine.registerBuffers([new Uint8Array(new ArrayBuffer(4096))])
          mine.registerBufferRing({ group: 1, entries: 4, bufferSize: 4096 })
          prepareRead(mine.submissions, reading, bytes, -1, 1)
          prepareNop(mine.submissions, 2)
          mine.submit()
        }
      }
      forget()
      const before = rings()
      const after = await collected()
      fs.writeSync(writing, 'too late')
      await pause()
      console.log(before, after, bytes.every(byte => byte === 7))`
    const { code, signal, output } = await runModule(source, ['--expose-gc'])
    assert.equal(signal, null, output)
    assert.equal(code, 0, output)
    assert.equal(output.trim(), '10 0 true')
  })
}

ringTest('a buffer that its ring alone knows of is there until the ring is gone', async () => {
  const source = `${PRELUDE}
    const mine = new Ring({ entries: 4 })
    const group = mine.registerBufferRing({ group: 1, entries: 4, bufferSize: 64 })
    mine.registerBuffers([new Uint8Array(new ArrayBuffer(1 << 16))])
    const [reading, writing] = pipe()
    for (let round = 0; round < 10; round++) { globalThis.gc(); await pause() }
    ring.prepareReadFixed(mine.submissions, reading, mine.buffers[0].subarray(0, 16), 0, -1, 1)
    ring.prepareReadMultishot(mine.submissions, reading, 1, 0, -1, 2)
    mine.submit()
    for (let round = 0; round < 10; round++) { globalThis.gc(); await pause() }
    fs.writeSync(writing, 'first')
    mine.submit(1)
    const seen = []
    mine.reap((userData, result) => seen.push(userData, result))
    console.log(seen.join(' '), Buffer.from(mine.buffers[0].subarray(0, 5)).toString())
    mine.close()`
  const { code, output } = await runModule(source, ['--expose-gc'])
  assert.equal(code, 0, output)
  // Which of the two readers of the pipe comes first is the kernel's affair; it is this one, or the other fails.
  assert.match(output.trim(), /^1 5 first$|^2 /)
})

ringTest('a forgotten group of buffers keeps its memory until its ring is closed', async () => {
  const source = `${PRELUDE}
    const mine = new Ring({ entries: 4 })
    const [reading, writing] = pipe()
    ;(() => { mine.registerBufferRing({ group: 1, entries: 2, bufferSize: 1 << 16 }) })()
    for (let round = 0; round < 10; round++) { globalThis.gc(); await pause() }
    ring.prepareReadMultishot(mine.submissions, reading, 1, 0, -1, 2)
    fs.writeSync(writing, 'x'.repeat(1000))
    mine.submit(1)
    const seen = []
    mine.reap((userData, result) => seen.push(result))
    console.log(seen.join(' '))
    mine.close()`
  const { code, output } = await runModule(source, ['--expose-gc'])
  assert.equal(code, 0, output)
  assert.ok(['1000', '-22'].includes(output.trim()), output)
})
