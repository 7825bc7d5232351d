import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DatedBytes } from './dated-bytes.js'
import { formatHttpDate } from './http-date.js'

const FIRST = formatHttpDate(Date.UTC(2024, 1, 29, 23, 59, 59))
const SECOND = formatHttpDate(Date.UTC(2024, 2, 1))

test('a response that stands ready bears the date that it is asked for with, and stays where it is', () => {
  const response = new DatedBytes(
    `HTTP/1.1 200 OK\r\nDate: ${FIRST}\r\nX: y\r\n\r\n`,
    Buffer.from('Date: body'),
  )
  const { address } = response
  for (const date of [FIRST, SECOND, FIRST]) {
    const text = Buffer.from(response.of(date).bytes).toString('latin1')
    assert.equal(text, `HTTP/1.1 200 OK\r\nDate: ${date}\r\nX: y\r\n\r\nDate: body`)
  }
  assert.equal(response.of(SECOND).address, address)
})
