import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import test from 'node:test'
import { errnoOf, systemError } from '../kernel/index.js'
import { type Connection, connect, listen } from '../net/index.js'
import { scratchFile } from './ends.test.support.js'
import { transfer } from './transfer.js'

test("a client that leaves amid a transfer is no error of the listener's", { timeout: 60_000 }, async () => {
  const file = openSync(scratchFile(Buffer.alloc(2 ** 25)), 'r')
  const told: string[] = []
  let other: Error | undefined
  let failed: (connection: Connection) => void = () => {}
  const serve = async (connection: Connection) => {
    try {
      await transfer(file, connection, { offset: 0 })
    } catch (error) {
      failed(connection)
      throw other ?? error
    }
  }
  const onError = (error: Error) => told.push(error.message)
  await using server = await listen({ host: '127.0.0.1', onError }, serve)
  const visit = async (leave: (client: Connection) => Promise<void>) => {
    const failing = new Promise<Connection>(resolve => {
      failed = resolve
    })
    const client = await connect({ host: '127.0.0.1', port: server.port })
    await client.read()
    await leave(client)
    await (await failing).closed
  }
  await visit(client => client.destroy())
  await visit(client => client.reset())
  assert.deepEqual(told, [])
  other = systemError(errnoOf('ENOENT'), 'open')
  await visit(client => client.reset())
  assert.deepEqual(told, [other.message])
  closeSync(file)
})
