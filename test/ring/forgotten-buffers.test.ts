import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChild } from '../helpers/child.js'

const KINDS = {
  'a BufferRing': 'registerBufferRing({ group: 1, entries: 4, bufferSize: 65536 })',
  'a BlockRing': 'registerBlockRing({ group: 1, entries: 4, blockSize: 65536 })',
}

for (const [kind, register] of Object.entries(KINDS)) {
  test(`the memory of ${kind} is collected only after the ring that the kernel writes to it by`, () => {
    const printed = runChild(
      `
      import { readlinkSync } from 'node:fs'
      import { setImmediate } from 'node:timers/promises'
      const isOpen = fd => {
        try {
          return readlinkSync('/proc/self/fd/' + fd).includes('io_uring')
        } catch {
          return false
        }
      }
      let left = 0
      const early = new Set()
      const registry = new FinalizationRegistry(fd => {
        early.add(isOpen(fd))
        left--
      })
      const forget = () => {
        const pair = new Int32Array(new ArrayBuffer(8))
        kernel.syscall('socketpair', kernel.AF.UNIX, kernel.SOCK.STREAM, 0, pair)
        const one = new ring.Ring({ entries: 4 })
        const buffers = one.${register}
        ring.prepareRecvMultishot(one.submissions, pair[0], 1, 0, 0, 5)
        one.submit()
        kernel.syscall('write', pair[1], new Uint8Array(new ArrayBuffer(100)), 100)
        one.submit(1)
        one.reap((userData, result, flags) => registry.register(buffers.take(flags, result).buffer, one.fd))
        left++
      }
      for (let index = 0; index < 10; index++) forget()
      for (let round = 0; round < 100 && left > 0; round++) {
        gc()
        await setImmediate()
      }
      console.log(left, ...early)
    `,
      ['--expose-gc'],
    )
    assert.equal(printed, '0 false\n')
  })
}
