import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { after, before, test } from 'node:test'
import { checkRule, checkSentinel, take } from './rules/check.js'
import { RuledServers } from './rules/ruled-servers.js'
import { BEFORE, RULES, SENTINEL } from './rules/tables.js'

/*
 * What RFC 9110, 9111 and 9112 say of requests to an origin server, rule by rule. Each request comes in one piece, byte
 * by byte, and in one piece with others before it; behind it always comes another one, which is answered or not.
 */

/** A longer request comes in pieces of more than one byte, lest it takes seconds. */
const BYTEWISE = 700

const servers = new RuledServers()
before(() => servers.start())
after(() => servers.close())

/** Sends bytes in pieces, and gives back what comes until the server closes. */
async function exchange(port: number, bytes: Buffer, piece: number): Promise<string> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  const ended = once(socket, 'close')
  let received = ''
  socket.setEncoding('latin1').on('data', text => {
    received += text
  })
  // What comes behind the end of a refused request may be answered by a reset.
  socket.on('error', () => {})
  await Promise.race([once(socket, 'connect'), ended])
  for (let at = 0; at < bytes.length && !socket.destroyed && socket.writable; at += piece) {
    socket.write(bytes.subarray(at, at + piece))
    if (at + piece < bytes.length) await new Promise(resolve => setImmediate(resolve))
  }
  await ended
  return received
}

for (const rule of RULES) {
  test(rule.name, async () => {
    const port = servers.port(rule.site ?? 'plain')
    const request = servers.withFacts(rule.request)
    const check = (text: string) =>
      checkSentinel(
        rule,
        checkRule(rule, text, fact => servers.withFacts(fact)),
      )
    const bytes = Buffer.from(request + SENTINEL, 'latin1')
    check(await exchange(port, bytes, bytes.length))
    check(await exchange(port, bytes, bytes.length <= BYTEWISE ? 1 : 101))
    const several = Buffer.from(BEFORE + request + SENTINEL, 'latin1')
    const first = take(await exchange(port, several, several.length), 'GET')
    assert.equal(first.response.body, 'b')
    const second = take(first.rest, 'HEAD')
    assert.equal(second.response.fields.get('content-length'), '5')
    check(second.rest)
  })
}

test('every rule has a name of its own, and names its section', () => {
  const names = RULES.map(rule => rule.name)
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index || !/^RFC \d{4} \d/.test(name)),
    [],
  )
})
