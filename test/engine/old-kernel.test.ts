import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChild } from '../helpers/child.js'

test('an engine closes at once where the kernel cannot cancel synchronously (before 6.0)', () => {
  const printed = runChild(`
    refuseIoUring({ code: 'EINVAL', calls: ['io_uring_register'], argument: { index: 1, value: 24 } })
    const own = new engine.Engine({ driver: 'ring' })
    const pipe = new Int32Array(new ArrayBuffer(8))
    kernel.syscall('pipe2', pipe, 0)
    const byte = new Uint8Array(new ArrayBuffer(128))
    const reads = Array.from({ length: 100 }, () => own.read(pipe[0], byte, 0, 1, -1))
    const settled = Promise.allSettled(reads)
    await new Promise(resolve => setImmediate(resolve))
    await own.close()
    console.log(new Set((await settled).map(({ reason }) => reason.code)))
  `)
  assert.equal(printed, "Set(1) { 'ECANCELED' }\n")
})
