import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChild } from '../helpers/child.js'

for (const driver of ['ring', 'epoll'] as const) {
  test(`an engine on ${driver} whose descriptor cannot be watched leaves nothing open`, () => {
    const printed = runChild(`
      await new engine.Engine({ driver: '${driver}' }).close()
      const before = descriptors()
      const codes = new Set()
      // The next descriptor is the driver's, and the event loop is not to have it.
      const value = kernel.syscall('dup', 0)
      kernel.syscall('close', value)
      refuseIoUring({ code: 'ENOSPC', calls: ['epoll_ctl'], argument: { index: 2, value } })
      for (let round = 0; round < 10; round++) {
        try {
          new engine.Engine({ driver: '${driver}' })
        } catch (error) {
          codes.add(error.code)
        }
      }
      console.log(...codes, descriptors() === before)
    `)
    assert.equal(printed, 'ENOSPC true\n')
  })

  test(`where descriptors run out, an engine on ${driver} says EMFILE, and what it had is closed`, () => {
    const printed = runChild(`
      const limit = count => {
        const words = BigUint64Array.of(BigInt(count), BigInt(count), ...new BigUint64Array(8))
        kernel.syscall('prlimit64', 0, kernel.RLIMIT.NOFILE, words, 0)
      }
      await new engine.Engine({ driver: '${driver}' }).close()
      const before = descriptors()
      limit(before + 5)
      const codes = new Set()
      const engines = []
      for (let round = 0; round < 20; round++) {
        try {
          engines.push(new engine.Engine({ driver: '${driver}' }))
        } catch (error) {
          codes.add(error.code)
        }
      }
      const some = engines.length
      for (const each of engines) await each.close()
      limit(1000)
      console.log(...codes, some > 0, descriptors() === before)
    `)
    assert.equal(printed, 'EMFILE true true\n')
  })
}
