import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChild } from '../helpers/child.js'

/** A process of a user whose rings and registered buffers may take 64 KiB: less than one engine's ring does. */
const LIMITED = `
  const words = BigUint64Array.of(65536n, 65536n, ...new BigUint64Array(8))
  kernel.syscall('prlimit64', 0, kernel.RLIMIT.MEMLOCK, words, 0)
  if (process.getuid() === 0) process.setuid(65534)
  const charged = () => {
    try {
      new ring.Ring({ entries: 4096 }).close()
      return false
    } catch ({ code }) {
      return code === 'ENOMEM'
    }
  }
`

test('where rings are charged to a memory limit that is too low, the engine works on epoll and says so', t => {
  const printed = runChild(`${LIMITED}
    if (!charged()) console.log('free')
    else {
      const own = new engine.Engine({ entries: 4096 })
      const result = await own.run(ring.prepareNop, { syscall: 'nop' })
      console.log(own.driver, result, own.reason)
      await own.close()
    }
  `)
  if (printed === 'free\n') return t.skip('this kernel does not charge rings to RLIMIT_MEMLOCK')
  assert.match(printed, /^epoll 0 io_uring cannot be used here: RLIMIT_MEMLOCK is 65536 bytes/)
  return undefined
})

test('where that is not to be, it is an error that names the limit', t => {
  const printed = runChild(`${LIMITED}
    if (!charged()) console.log('free')
    else {
      try {
        new engine.Engine({ entries: 4096, strict: true })
      } catch ({ code, message }) {
        console.log(code, message)
      }
    }
  `)
  if (printed === 'free\n') return t.skip('this kernel does not charge rings to RLIMIT_MEMLOCK')
  assert.match(printed, /^ERR_SLUICE_DRIVER .*RLIMIT_MEMLOCK is 65536 bytes.*ulimit -l/)
  return undefined
})
