import assert from 'node:assert/strict'
import type { Rule } from './rule.js'
import { methodOf } from './tables.js'

/** A response, taken apart. */
export interface Response {
  status: number
  fields: Map<string, string>
  body: string
}

/** Reads one response, as strictly as the RFC has it. @returns it, and what is behind it */
export function take(text: string, method: string): { response: Response; rest: string } {
  const end = text.indexOf('\r\n\r\n')
  assert.ok(end >= 0, `no head in ${JSON.stringify(text)}`)
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) [\t\x20-\x7e]*$/.exec(statusLine)?.[1])
  assert.ok(status >= 100, statusLine)
  const fields = new Map<string, string>()
  for (const line of lines) {
    const [, name = '', value = ''] =
      /^([!#$%&'*+\-.^_`|~\w]+): ([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)$/.exec(line) ?? []
    assert.ok(name !== '', `a field ${JSON.stringify(line)}`)
    assert.ok(!fields.has(name.toLowerCase()), `${name} comes twice`)
    fields.set(name.toLowerCase(), value)
  }
  assert.ok(!fields.has('transfer-encoding'))
  const [date = 0, modified = 0] = ['date', 'last-modified'].map(name => Date.parse(fields.get(name) ?? ''))
  assert.ok(!(modified > date), 'RFC 9110 8.8.2.1: Last-Modified is not later than Date')
  const bodyless = method === 'HEAD' || status < 200 || status === 204 || status === 304
  const length = bodyless ? 0 : Number(fields.get('content-length') ?? Number.NaN)
  assert.ok(length >= 0, 'RFC 9112 6.3: a body has its length')
  const from = end + 4
  assert.ok(text.length >= from + length, 'a body is not cut')
  return {
    response: { status, fields, body: text.slice(from, from + length) },
    rest: text.slice(from + length),
  }
}

/** What holds for every response. */
function checkResponse({ status, fields }: Response): void {
  if (status < 200) {
    assert.equal(fields.size, 0)
    return
  }
  const date = fields.get('date') ?? ''
  assert.equal(new Date(date).toUTCString(), date, 'RFC 9110 6.6.1: a response has a Date')
  if (status === 204) assert.ok(!fields.has('content-length'), 'RFC 9110 8.6: a 204 has no Content-Length')
  assert.doesNotMatch(
    fields.get('location') ?? '',
    /^[/\\]{2}/,
    'RFC 3986 4.2: no Location leads to another host',
  )
  if (status === 405) assert.ok(fields.has('allow'), 'RFC 9110 15.5.6: a 405 has Allow')
  if (status === 206) {
    const multipart = fields.get('content-type')?.startsWith('multipart/byteranges') ?? false
    assert.notEqual(
      fields.has('content-range'),
      multipart,
      'RFC 9110 15.3.7: a 206 has Content-Range, or parts',
    )
  }
}

/** Checks that a rule is kept. @param withFacts a rule's text with what it stands for @returns what is behind its answer */
export function checkRule(
  rule: Rule,
  text: string,
  withFacts: (text: string) => string,
  method = methodOf(rule),
): string {
  let rest = text
  if (rule.continued) {
    const interim = take(rest, method)
    assert.equal(interim.response.status, 100)
    checkResponse(interim.response)
    rest = interim.rest
  }
  const { response, rest: behind } = take(rest, method)
  checkResponse(response)
  assert.equal(response.status, rule.status)
  for (const [name, expected] of Object.entries(rule.fields ?? {})) {
    const value = response.fields.get(name)
    if (expected === null) assert.equal(value, undefined, name)
    else if (typeof expected === 'string') assert.equal(value, withFacts(expected), name)
    else assert.match(value ?? '', expected, name)
  }
  if (typeof rule.body === 'string') assert.equal(response.body, method === 'HEAD' ? '' : rule.body)
  else if (rule.body !== undefined) assert.match(response.body, rule.body)
  if (rule.goesOn === false)
    assert.equal(response.fields.get('connection'), 'close', 'RFC 9112 9.6: the end is told')
  return behind
}

/** Checks that the request behind was answered, or was not. */
export function checkSentinel(rule: Rule, text: string): void {
  if (rule.goesOn === false) {
    assert.equal(text, '', 'nothing is answered behind it')
    return
  }
  const { response, rest } = take(text, 'GET')
  assert.deepEqual([response.status, response.body, rest], [200, '<sentinel>', ''])
}
