import assert from 'node:assert/strict'
import { bind } from './bind.js'
import type { Connection } from './connection.js'
import { dial, pattern, readAll, readExactly, serve, settled, testOn } from './net.test.support.js'
import { LACKS, refuseMultishotAccept, refuseReceiveLimit } from './older-kernels.test.support.js'

testOn(
  ['ring'],
  'where one accept takes one connection (before 5.19), all are accepted, and nothing is warned of',
  async t => {
    const refused = refuseMultishotAccept(t)
    const errors: Error[] = []
    await using server = await serve(
      async connection => {
        for await (const bytes of connection) await connection.write(bytes)
      },
      { onError: error => void errors.push(error) },
    )
    const visit = async () => {
      const connection = await dial(server)
      await connection.write('ping')
      await connection.end()
      assert.equal((await readAll(connection)).toString(), 'ping')
      await connection.close()
    }
    await Promise.all(Array.from({ length: 20 }, visit))
    assert.deepEqual([refused(), errors, server.stats().accepted], [1, [], 20])
  },
)

testOn(
  ['ring'],
  'that no receive has a limit (before 6.17) is found out on many connections at once, and costs none of them a byte',
  async t => {
    const refused = refuseReceiveLimit(t)
    const errors: Error[] = []
    const accepted: Connection[] = []
    await using server = await serve(
      async connection => {
        accepted.push(connection)
        await settled(() => accepted.length === 8)
        for await (const bytes of connection) await connection.write(bytes)
      },
      { onError: error => void errors.push(error) },
    )
    const clients = await Promise.all(Array.from({ length: 8 }, () => dial(server)))
    const visit = async (client: Connection) => {
      for (let turn = 0; turn < 3; turn++) {
        await client.write('ping')
        assert.equal((await readExactly(client, 4)).toString(), 'ping')
      }
      await client.end()
      assert.equal(await client.read(), null)
    }
    await Promise.all(clients.map(visit))
    assert.ok(refused() > 1, 'several were under way when the first was refused')
    assert.ok(refused() <= 16, 'none was tried again after that')
    assert.deepEqual(errors, [])
  },
)

for (const [lack, doWithout] of Object.entries(LACKS)) {
  testOn(['ring'], `connections and datagrams on ${lack}`, async t => {
    doWithout(t)
    await using server = await serve(async connection => {
      for await (const bytes of connection) await connection.write(bytes)
    })
    const clients = await Promise.all(Array.from({ length: 20 }, () => dial(server)))
    await Promise.all(
      clients.map(async (client, index) => {
        const bytes = pattern(50_000, index)
        const writing = client.write(bytes)
        assert.ok((await readExactly(client, bytes.length)).equals(bytes))
        await writing
        for (let turn = 0; turn < 10; turn++) {
          await client.write(`turn ${turn}`)
          assert.equal((await readExactly(client, 6)).toString(), `turn ${turn}`)
        }
        await client.close()
      }),
    )
    await using socket = await bind({ host: '127.0.0.1' })
    const to = socket.address() as { address: string; port: number }
    await socket.sendBatch(Array.from({ length: 30 }, (_, index) => ({ bytes: pattern(500, index), to })))
    let came = 0
    while (came < 30) {
      for (const { bytes } of await socket.receive()) {
        assert.ok(Buffer.from(bytes).equals(pattern(500, came++)))
      }
    }
    await settled(() => server.connections.size === 0)
  })
}
