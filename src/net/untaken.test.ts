import assert from 'node:assert/strict'
import { syscall } from '../kernel/index.js'
import type { Connection } from './connection.js'
import { pattern, readAll, testOn, withPair } from './net.test.support.js'
import { refuseSubmissions } from './untaken.test.support.js'

const turn = () => new Promise(resolve => setImmediate(resolve))

const FOLLOWS: Readonly<Record<string, (near: Connection) => Promise<string>>> = {
  flush: async near => {
    await near.flush()
    return ''
  },
  'a loan': async near => {
    const loan = await near.lend('write')
    syscall('write', loan.fd, Buffer.from('lent'), 4)
    loan.release()
    return 'lent'
  },
  'a small write': async near => {
    await near.write('small')
    return 'small'
  },
  'a large write': async near => {
    await near.write(pattern(100_000))
    return pattern(100_000).toString('latin1')
  },
  end: async near => {
    await near.end()
    return ''
  },
}

for (const [what, follow] of Object.entries(FOLLOWS)) {
  testOn(['ring'], `${what} comes after what was written, though the kernel took it late`, async t => {
    const refuse = refuseSubmissions(t)
    await withPair(
      async (near, far) => {
        // More than the socket takes at once, so that some of it comes back.
        const bytes = pattern(8000)
        await near.write(bytes)
        await near.flush()
        await near.write(bytes)
        let refused = 0
        refuse(() => refused++ < 20)
        await turn()
        await turn()
        assert.ok(refused > 0 && refused < 20)
        const following = follow(near)
        let isOver = false
        following.then(() => {
          isOver = true
        })
        await turn()
        assert.ok(refused < 20)
        if (what !== 'a small write') assert.equal(isOver, false)
        refuse(() => false)
        const got = readAll(far)
        const expected = `${Buffer.concat([bytes, bytes]).toString('latin1')}${await following}`
        await near.end()
        assert.equal((await got).toString('latin1'), expected)
      },
      { near: { sendBufferSize: 5000 }, far: { receiveBufferSize: 5000 } },
    )
  })
}
