import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runChild } from '../helpers/child.js'

/** What fails at each step of making a ring, and the error that comes of it. */
const STEPS = {
  'mapping the entries': { code: 'ENOMEM', calls: ['mmap'], argument: { index: 5, value: 0x10000000 } },
  'keeping them from children': { code: 'EINVAL', calls: ['madvise'], argument: { index: 2, value: 10 } },
  'limiting its workers': { code: 'EPERM', calls: ['io_uring_register'], argument: { index: 1, value: 19 } },
}

for (const [step, refusal] of Object.entries(STEPS)) {
  test(`a ring that fails at ${step} leaves nothing open or mapped`, () => {
    const printed = runChild(`
      import { readFileSync } from 'node:fs'
      const maps = () => readFileSync('/proc/self/maps', 'latin1').split('io_uring').length
      new ring.Ring().close()
      const before = [descriptors(), maps()]
      refuseIoUring(${JSON.stringify(refusal)})
      for (let round = 0; round < 20; round++) {
        try {
          new ring.Ring({ entries: 8 })
          console.log('made')
        } catch (error) {
          if (error.code !== ${JSON.stringify(refusal.code)}) throw error
        }
      }
      console.log(JSON.stringify(before) === JSON.stringify([descriptors(), maps()]))
    `)
    assert.equal(printed, 'true\n')
  })
}

test('a ring whose descriptor cannot be registered works by its descriptor', () => {
  const printed = runChild(`
    refuseIoUring({ code: 'EINVAL', calls: ['io_uring_register'], argument: { index: 1, value: 20 } })
    const before = descriptors()
    const seen = []
    for (const mode of ['hosted', 'dedicated', 'sqpoll']) {
      const one = new ring.Ring({ mode })
      ring.prepareNop(one.submissions, 7)
      one.submit(1)
      one.reap(userData => seen.push(userData))
      one.close()
    }
    console.log(...seen, descriptors() === before)
  `)
  assert.equal(printed, '7 7 7 true\n')
})

test('a limit on address space is told as what it is, and nothing is left behind', () => {
  const printed = runChild(`
    import { readFileSync } from 'node:fs'
    const size = () => Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'latin1'))[1]) * 1024
    const limit = bytes => kernel.syscall('prlimit64', 0, kernel.RLIMIT.AS, BigUint64Array.of(bytes, 2n ** 64n - 1n, ...new BigUint64Array(8)), 0)
    new ring.Ring().close()
    const before = descriptors()
    const codes = new Set()
    const attempt = () => {
      try { new ring.Ring({ entries: 32768 }).close() } catch (error) { codes.add(error.syscall + ' ' + error.code) }
    }
    limit(BigInt(size() + 2 ** 20))
    for (let round = 0; round < 10; round++) attempt()
    limit(2n ** 64n - 1n)
    console.log([...codes].join(), descriptors() === before)
  `)
  // Where rings of others press on an ordinary user's limit of locked memory, the kernel may refuse even earlier.
  assert.match(printed, /^(?:mmap|io_uring_setup) ENOMEM(?:,(?:mmap|io_uring_setup) ENOMEM)? true\n$/)
})
