import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engine } from '../engine/index.js'
import { CAP, hasCapability, RLIMIT, syscall } from '../kernel/index.js'
import { countAfterEach, openSinkEnd, openSourceEnd, someBytes } from './ends.test.support.js'
import { type TransferFailure, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

/** Lets the process lock no more than so many bytes while it runs `body`. */
async function locking(most: number, body: () => Promise<void>): Promise<void> {
  const before = new BigUint64Array(new ArrayBuffer(64))
  const less = new BigUint64Array(new ArrayBuffer(64))
  assert.equal(syscall('prlimit64', 0, RLIMIT.MEMLOCK, 0, before), 0)
  less[0] = BigInt(most)
  less[1] = before[1] as bigint
  assert.equal(syscall('prlimit64', 0, RLIMIT.MEMLOCK, less), 0)
  try {
    await body()
  } finally {
    assert.equal(syscall('prlimit64', 0, RLIMIT.MEMLOCK, before), 0)
  }
}

test('where little memory may be locked, send_zc says so or moves all, and no byte is lost', async t => {
  if (hasCapability(CAP.IPC_LOCK)) return t.skip('the limit on locked memory does not hold for the superuser')
  if (engine().driver !== 'ring') return t.skip('send_zc needs io_uring')
  const bytes = someBytes(2_000_000)
  await locking(65_536, async () => {
    for (const kind of ['file', 'tcp'] as const) {
      const [source, sink] = [openSourceEnd(kind, bytes), openSinkEnd('tcp')]
      const outcome = await transfer(source.fd, sink.fd, { via: 'send_zc', length: bytes.length }).catch(
        (error: TransferFailure & { code: string }) => {
          assert.match(error.code, /^(ENOBUFS|ENOMEM|ERR_SLUICE_UNSUPPORTED)$/, error.stack)
          return error
        },
      )
      const taken = outcome instanceof Error ? Buffer.from(outcome.undelivered ?? []) : Buffer.alloc(0)
      if (!(outcome instanceof Error)) assert.equal(outcome.bytes, bytes.length)
      assert.ok(taken.equals(bytes.subarray(outcome.bytes, outcome.bytes + taken.length)))
      await source.close()
      assert.ok((await sink.finish()).equals(bytes.subarray(0, outcome.bytes)))
      const [again, other] = [openSourceEnd(kind, bytes), openSinkEnd('tcp')]
      assert.equal((await transfer(again.fd, other.fd)).bytes, bytes.length)
      await again.close()
      assert.ok((await other.finish()).equals(bytes))
    }
  })
  assert.equal(engine().stats().inFlight, 0)
})
