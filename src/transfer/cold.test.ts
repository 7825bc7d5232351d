import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { engine } from '../engine/index.js'
import { pageCache } from '../file/index.js'
import { countAfterEach, scratchFile, someBytes, tcpPair } from './ends.test.support.js'
import { type TransferOptions, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const SIZE = 2 ** 26
const VIAS: readonly TransferOptions['via'][] = [
  undefined,
  'sendfile',
  'splice',
  'vmsplice',
  'preadv2',
  'send_zc',
  'read+write',
]

/** Their reads are begun by this thread, which does not wait for them: `RWF_NOWAIT`, and what the ring tries first. */
const BEGINS_HERE: ReadonlySet<TransferOptions['via']> = new Set(['preadv2', 'send_zc', 'read+write'])

/** Takes a file out of the page cache, as soon as nobody holds its pages any more. */
async function evicted(file: number): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) {
    await pageCache.evict(file, { sync: true })
    if ((await pageCache.stat(file)).cached === 0) return true
    await turn()
  }
  return false
}

/** Bytes that a thread, or the process, has had read from devices so far; undefined where the kernel does not count them. */
function deviceBytes(of: 'thread-self' | 'self'): number | undefined {
  try {
    const found = /^read_bytes: (\d+)$/m.exec(readFileSync(`/proc/${of}/io`, 'utf8'))
    return found === null ? undefined : Number(found[1])
  } catch {
    return undefined
  }
}

/** Reads all of it, and compares it on the way. */
async function receive(socket: number, expected: Buffer): Promise<void> {
  const block = Buffer.from(new ArrayBuffer(2 ** 18))
  for (let done = 0; done < SIZE; ) {
    const length = (await engine().read(socket, block, 0, block.length, -1)) as number
    assert.notEqual(length, 0, `it ended after ${done} bytes`)
    assert.ok(block.subarray(0, length).equals(expected.subarray(done, done + length)), `altered at ${done}`)
    done += length
  }
}

test('a file that is not in memory is waited for by other threads, whichever way it goes', async t => {
  const bytes = Buffer.alloc(SIZE, someBytes(1_000_003))
  const file = openSync(scratchFile(bytes), 'r')
  try {
    for (const via of VIAS) {
      if (via === 'send_zc' && engine().driver !== 'ring') continue
      if (!(await evicted(file))) return t.skip('this file system keeps its pages in memory')
      const [socket, peer] = tcpPair()
      const before = [deviceBytes('thread-self'), deviceBytes('self')]
      if (before[0] === undefined) return t.skip('this kernel does not count what a thread reads')
      const received = receive(peer, bytes)
      assert.equal((await transfer(file, socket, { offset: 0, via })).bytes, SIZE)
      await received
      const [own, all] = [deviceBytes('thread-self'), deviceBytes('self')]
      assert.ok(Number(all) - Number(before[1]) >= SIZE, `${via}: it was in memory`)
      if (!BEGINS_HERE.has(via)) assert.equal(Number(own) - Number(before[0]), 0, `${via}: this thread read`)
      for (const fd of [socket, peer]) closeSync(fd)
    }
  } finally {
    closeSync(file)
  }
})
