import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import tls from 'node:tls'
import { makeIdentity } from '#dist/http/certificate.test.support.js'
import { checkRule, checkSentinel, take } from './rules/check.js'
import type { Rule } from './rules/rule.js'
import { RuledServers } from './rules/ruled-servers.js'
import { BEFORE, RULES, SENTINEL } from './rules/tables.js'

/*
 * The rules of conformance.test.ts over TLS, where Node reads what a client sends and we what Node has read. Each request
 * comes in one piece with others before it, and with one behind it.
 */

const served = { status: 200, goesOn: true, body: 'hello' }
const refused = { status: 400, goesOn: false, body: 'Bad Request\n' }
/** The oldest that we support has an older parser. */
const IS_OLDEST = process.version.startsWith('v20.19.')

/** Rules that are kept otherwise, and why; without another answer, they are not tried. */
const EXCEPTIONS: readonly { reason: string; names: readonly string[]; otherwise?: Partial<Rule> }[] = [
  {
    reason:
      'Node reads past a CR before a request, and takes several spaces for one: both leave the frame as it is',
    names: [
      'RFC 9112 2.2: a bare CR before it is refused',
      'RFC 9112 3: single spaces separate its parts',
      'RFC 9112 3: also behind the target',
    ],
    otherwise: served,
  },
  {
    reason: 'Node knows no version but 1.0 and 1.1',
    names: ['RFC 9110 2.5: a later minor version is served as 1.1'],
    otherwise: refused,
  },
  {
    reason: 'nor a method that it cannot name: what nobody knows is malformed',
    names: [
      'RFC 9110 15.6.2: a method that nobody knows is 501',
      'RFC 9110 9.1: methods have case',
      'RFC 9110 9.1: a long one too',
    ],
    otherwise: refused,
  },
  {
    reason: 'Node refuses trailers that say how long a body is, which is stricter than we are',
    names: IS_OLDEST ? [] : ['RFC 9112 7.1.2: trailers are read and dropped'],
    otherwise: refused,
  },
  {
    reason: 'the oldest Node refuses an extension whose value is in quotes behind one whose value is not',
    names: IS_OLDEST ? ['RFC 9112 7.1.1: extensions are ignored'] : [],
    otherwise: refused,
  },
  {
    reason: 'Node bounds extensions and trailers by 16 KiB each, other than we do',
    names: ['RFC 9112 7.1.1: no extension without end', 'RFC 9112 7.1.2: no trailers without end'],
    otherwise: served,
  },
  {
    reason: 'Node counts to 2^64 - 1, so that the rest of such a chunk is waited for until bodyTimeout',
    names: ['RFC 9112 7.1: a size can be counted'],
  },
  {
    reason: 'it is TLS over which it is asked for',
    names: ['RFC 9110 7.4: what is asked for over TLS is not served without: 421'],
    otherwise: served,
  },
  {
    reason: 'Node ends a connection whose client expects to be told to go on, and is not, having no body',
    names: ['RFC 9110 10.1.1: without a body there is nothing to go on with'],
    otherwise: { goesOn: false },
  },
  {
    reason: 'Node reads nothing behind the wish for another protocol',
    names: ['RFC 9110 7.8: another protocol may be declined'],
    otherwise: { goesOn: false, fields: { connection: 'close' } },
  },
]

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-conformance-tls-'))
const identity = makeIdentity(folder, 'conformance')
const skip = identity === undefined && 'there is no openssl to make a certificate with'
const servers = new RuledServers()

before(() => servers.start(identity === undefined ? {} : { tls: identity }))
after(async () => {
  await servers.close()
  fs.rmSync(folder, { recursive: true })
})

/** Sends bytes in one piece, and gives back what comes until the server closes. */
async function exchange(port: number, bytes: Buffer): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  let received = ''
  socket.setEncoding('latin1').on('data', text => {
    received += text
  })
  socket.on('error', () => {}).write(bytes)
  await new Promise(resolve => socket.once('close', resolve))
  return received
}

for (const rule of RULES) {
  const exception = EXCEPTIONS.find(({ names }) => names.includes(rule.name))
  if (exception !== undefined && exception.otherwise === undefined) continue
  test(rule.name, { skip }, async () => {
    const held = { ...rule, ...exception?.otherwise }
    const bytes = Buffer.from(BEFORE + servers.withFacts(rule.request) + SENTINEL, 'latin1')
    // Node says what HTTP/1.1 takes for granted.
    const all = await exchange(servers.port(rule.site ?? 'plain'), bytes)
    const text = rule.fields?.connection === null ? all.replaceAll('Connection: keep-alive\r\n', '') : all
    const first = take(text, 'GET')
    assert.equal(first.response.body, 'b')
    const second = take(first.rest, 'HEAD')
    assert.equal(second.response.fields.get('content-length'), '5')
    checkSentinel(
      held,
      checkRule(held, second.rest, fact => servers.withFacts(fact)),
    )
  })
}

test('an exception is one from a rule', () => {
  const rules = new Set(RULES.map(({ name }) => name))
  assert.deepEqual(
    EXCEPTIONS.flatMap(({ names }) => names).filter(name => !rules.has(name)),
    [],
  )
})
