import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { open } from '../file/index.js'
import { sendFile as sendDescriptor } from '../transfer/index.js'
import type { NodeResponse } from './node-answer.js'
import { sendFile } from './send-file.js'
import { kept, until } from './serve.test.support.js'

/* Responses of Node's servers that wait for their turn behind an earlier one of the same connection. */

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-pipelined-'))
after(() => fs.rmSync(root, { recursive: true }))
fs.writeFileSync(path.join(root, 'small.txt'), 'small file')
fs.writeFileSync(path.join(root, 'large.bin'), Buffer.alloc(1_000_000, 'large '))

/** Has requests wait behind one that is not answered until the client has gone. @returns what became of each */
async function abandoned(
  send: (response: NodeResponse, file: string) => Promise<unknown>,
  requests: readonly string[],
): Promise<string[]> {
  const sent: Promise<string>[] = []
  let all = () => {}
  const taken = new Promise<void>(resolve => {
    all = resolve
  })
  let listeners = () => 0
  const server = http.createServer((request, response) => {
    if (request.url === '/first') {
      const before = request.socket.listenerCount('close')
      listeners = () => request.socket.listenerCount('close') - before
      return
    }
    assert.equal(response.socket, null, 'it is not its turn')
    sent.push(
      send(response, root + request.url).then(
        () => 'sent',
        () => 'told',
      ),
    )
    if (sent.length === requests.length) all()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(kept('/first') + requests.join(''))
  await taken
  await until(() => listeners() > 0)
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  const waiting = listeners()
  socket.destroy()
  try {
    assert.equal(waiting, 1, 'one listener waits for the connection’s end, for all of them')
    return await Promise.all(sent)
  } finally {
    server.close()
  }
}

const GETS = [kept('/small.txt'), kept('/large.bin')]
const HEADS = GETS.map(request => request.replace('GET', 'HEAD'))
const PARTS = ['/small.txt', '/large.bin'].map(target => kept(target, 'Range: bytes=0-1,4-5\r\n'))

test('answers whose turn has not come when the client goes are told so, and keep no file open', {
  timeout: 30_000,
}, async () => {
  const descriptors = () => fs.readdirSync('/proc/self/fd').length
  const send = async (response: NodeResponse, file: string) => {
    await using handle = await open(file)
    await sendDescriptor(response, handle)
  }
  await abandoned(send, GETS)
  const before = descriptors()
  const outcomes = await abandoned(send, [...GETS, ...HEADS, ...GETS, ...HEADS])
  assert.deepEqual(outcomes, Array(8).fill('told'))
  await until(() => descriptors() <= before)
})

test('so are answers of several parts', { timeout: 30_000 }, async () => {
  const outcomes = await abandoned((response, file) => sendFile(response, file), [...PARTS, ...PARTS])
  assert.deepEqual(outcomes, Array(4).fill('told'))
})
