import { STATUS_CODES } from 'node:http'
import type { Fields } from './fields.js'
import { formatHttpDate } from './http-date.js'

let date = ''
/** When that is over, in milliseconds of `performance.now()`. */
let dateUntil = 0

/** The `Date` of now, made once a second. @param now of `performance.now()`: of two clocks whoever is in a hurry looks at one */
export function currentDate(now = performance.now()): string {
  if (now >= dateUntil) {
    const wall = Date.now()
    date = formatHttpDate(wall)
    dateUntil = now + 1000 - (wall % 1000)
  }
  return date
}

/**
 * The head of a response, with what its connection adds.
 *
 * @param keepAlive whether another request may follow
 * @param minor 0 for a client that speaks HTTP/1.0, which must be told that the connection stays
 * @see RFC 9112, section 4 and 9
 */
export function responseHead(
  answer: { status: number; fields: Fields },
  keepAlive: boolean,
  minor: number,
): string {
  let head = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\nDate: ${currentDate()}\r\n`
  for (const [name, value] of answer.fields) head += `${name}: ${value}\r\n`
  if (!keepAlive) head += 'Connection: close\r\n'
  else if (minor === 0) head += 'Connection: keep-alive\r\n'
  return `${head}\r\n`
}
