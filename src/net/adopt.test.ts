import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect as nodeConnect, type Socket } from 'node:net'
import { AF, SO, SOCK, SOL, syscall, TCP } from '../kernel/index.js'
import { adopt } from './adopt.js'
import { bind } from './bind.js'
import { connect } from './connect.js'
import type { Connection } from './connection.js'
import { receiveDescriptors, sendDescriptors } from './descriptors.js'
import { listen } from './listen.js'
import { readAll, settled, testOnBoth } from './net.test.support.js'
import { getOption } from './socket-options.js'

testOnBoth('a connection that another program has accepted can be handed over and served', async () => {
  const path = `\0sluice-adopt-${process.pid}`
  const others: Connection[] = []
  await using _channel = await listen({ path }, connection => void others.push(connection))
  const sender = await connect({ path })
  await settled(() => others.length === 1)
  const [receiver] = others

  const front = createServer().listen(0, '127.0.0.1')
  await once(front, 'listening')
  const client = nodeConnect((front.address() as { port: number }).port, '127.0.0.1')
  const [accepted] = (await once(front, 'connection')) as [Socket]
  const { fd } = (accepted as unknown as { _handle: { fd: number } })._handle
  await sendDescriptors(sender, Buffer.from('yours'), [fd])
  const message = await receiveDescriptors(receiver)
  accepted.destroy()

  const connection = adopt(message?.descriptors[0] ?? -1, { receiveBound: 1000 })
  assert.equal(getOption(connection.fd, SOL.TCP, TCP.NODELAY), 1)
  client.end('question')
  assert.equal((await readAll(connection)).toString(), 'question')
  await connection.write('answer')
  const answer = once(client, 'data')
  await connection.close()
  assert.equal(String((await answer)[0]), 'answer')

  client.destroy()
  front.close()
  await Promise.all([once(front, 'close'), sender.close(), receiver.close()])
})

testOnBoth('what is no connected stream socket is refused, and stays open', async () => {
  const stream = syscall('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0)
  const datagram = syscall('socket', AF.INET, SOCK.DGRAM | SOCK.CLOEXEC, 0)
  assert.throws(() => adopt(stream), { code: 'ENOTCONN' })
  assert.throws(() => adopt(datagram), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => adopt(2 ** 20), { code: 'EBADF' })
  await assert.rejects(bind({ fd: stream }), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.deepEqual([syscall('close', stream), syscall('close', datagram)], [0, 0])
})

testOnBoth("a datagram socket of somebody else's is taken over", async () => {
  const first = await bind({ host: '127.0.0.1' })
  const to = first.address() as { address: string; port: number }
  const copy = syscall('dup', first.fd)
  await first.close()
  await using socket = await bind({ fd: copy, receiveBufferSize: 50_000 })
  assert.equal(getOption(socket.fd, SOL.SOCKET, SO.RCVBUF), 100_000)
  await socket.sendBatch([
    { bytes: Buffer.from('one'), to },
    { bytes: Buffer.from('two'), to },
  ])
  const came: string[] = []
  while (came.length < 2) {
    for (const { bytes } of await socket.receive()) came.push(Buffer.from(bytes).toString())
  }
  assert.deepEqual(came, ['one', 'two'])
})
