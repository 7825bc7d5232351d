import assert from 'node:assert/strict'
import fs from 'node:fs'
import type net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { engine } from '../engine/index.js'
import { client, kept, serversOf } from './serve.test.support.js'

const CONNECTIONS = 64
const ROUNDS = 50
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-cost-'))
fs.writeFileSync(path.join(root, '1k'), Buffer.alloc(1024, 'x'))
after(() => fs.rmSync(root, { recursive: true }))

const withServer = serversOf(() => root)

/** Asks over every connection once. @returns bytes of the last response, when all have come */
async function ask(sockets: readonly net.Socket[]): Promise<number> {
  const lengths = await Promise.all(
    sockets.map(
      socket =>
        new Promise<number>(resolve => {
          let length = 0
          const take = (chunk: Buffer) => {
            length += chunk.length
            if (chunk.at(-1) === 0x78) resolve(socket.off('data', take) && length)
          }
          socket.on('data', take).write(kept('/1k'))
        }),
    ),
  )
  return lengths[0] as number
}

test('a small file costs one send, and many connections share the system calls', async () => {
  await withServer({}, async server => {
    const sockets = Array.from({ length: CONNECTIONS }, () => client(server.port))
    const length = await ask(sockets)
    await ask(sockets)
    const before = engine().stats()
    const had = server.stats.bytes
    for (let round = 0; round < ROUNDS; round++) await ask(sockets)
    const { enters, submissions } = engine().stats()
    const requests = CONNECTIONS * ROUNDS
    assert.equal(server.stats.bytes - had, requests * length)
    const entered = (enters - before.enters) / requests
    assert.ok(entered <= 0.5, `${entered} system calls of the driver for each`)
    // Without a ring, each request has to be waited for besides.
    const operations = (submissions - before.submissions) / requests
    const most = engine().driver === 'ring' ? 1 : 2
    assert.ok(operations <= most * 1.05, `${operations} operations for each`)
    for (const socket of sockets) socket.destroy()
  })
})
