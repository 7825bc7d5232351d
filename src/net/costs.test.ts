import assert from 'node:assert/strict'
import { engine } from '../engine/index.js'
import { MSG, syscall } from '../kernel/index.js'
import type { Connection } from './connection.js'
import { pattern, readExactly, settled, testOn, testOnBoth, withPair } from './net.test.support.js'
import { netResources } from './resources.js'

const submissions = () => engine().stats().submissions

/** Sends past the engine, so that it counts nothing. */
function sendNow(fd: number, bytes: Uint8Array): void {
  assert.equal(syscall('sendto', fd, bytes, bytes.length, MSG.DONTWAIT | MSG.NOSIGNAL, 0, 0), bytes.length)
}

/** Has the far end's descriptor to send by, while the near end reads. */
async function withSender(work: (near: Connection, send: (bytes: Uint8Array) => void) => Promise<void>) {
  await withPair(async (near, far) => {
    const loan = await far.lend('write')
    await work(near, bytes => sendNow(loan.fd, bytes))
    loan.release()
  })
}

testOn(['ring'], 'small messages cost no submission once a receive is armed, and share blocks', async t => {
  if (netResources().blocks === undefined) {
    t.skip('buffers are not used piece by piece before kernel 6.12')
    return
  }
  await withSender(async (near, send) => {
    send(pattern(100))
    await near.read()
    const before = submissions()
    const chunks: Uint8Array[] = []
    for (let count = 0; count < 50; count++) {
      send(pattern(100, count))
      chunks.push((await near.read()) as Uint8Array)
    }
    assert.equal(submissions() - before, 0)
    for (const [index, chunk] of chunks.entries()) assert.ok(Buffer.from(chunk).equals(pattern(100, index)))
    const blocks = new Set(chunks.map(({ buffer }) => buffer))
    assert.ok(blocks.size <= 2, `${blocks.size} blocks for 5000 bytes`)
  })
})

testOnBoth('large messages are received straight into the memory that was brought', async () => {
  await withSender(async (near, send) => {
    const into = new Uint8Array(100_000)
    const { blocks } = netResources()
    const used: unknown[] = []
    if (blocks !== undefined) {
      const pass = blocks.pass.bind(blocks)
      blocks.pass = (flags, length) => {
        used.push(length)
        pass(flags, length)
      }
    }
    for (let count = 0; count < 10; count++) {
      send(pattern(50_000, count))
      let length = 0
      while (length < 50_000) length += await near.readInto(into.subarray(length))
      assert.ok(Buffer.from(into.subarray(0, length)).equals(pattern(50_000, count)))
    }
    assert.deepEqual(used, [])
    // Four small ones change the mind: then they come by way of blocks, and cost no submission any more.
    for (let count = 0; count < 6; count++) {
      send(pattern(10))
      await near.readInto(into)
    }
    const before = submissions()
    send(pattern(10))
    await near.readInto(into)
    if (blocks !== undefined) assert.deepEqual([submissions() - before, used.length > 0], [0, true])
  })
})

testOnBoth('what is written in one turn goes out as one send, whatever its pieces', async () => {
  await withPair(async (near, far) => {
    const reading = readExactly(far, 50 * 20 + 9)
    await settled(() => false, 5)
    const before = submissions()
    for (let count = 0; count < 50; count++) near.write(pattern(20, count * 20))
    near.writev(['one', 'two', 'six'])
    await near.flush()
    const spent = submissions() - before
    assert.ok((await reading).subarray(0, 1000).equals(pattern(1000)))
    assert.equal(spent, 1)
  })
})
