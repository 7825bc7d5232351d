import { plainAnswer } from './answer.js'
import { responseHead } from './response-head.js'

/** A whole response of a status in words, behind which the connection ends: for what was no request. */
export function closingAnswer(status: number): Buffer {
  const answer = plainAnswer(status)
  const head = Buffer.from(responseHead(answer, false, 1), 'latin1')
  return answer.body.kind === 'bytes' ? Buffer.concat([head, answer.body.bytes]) : head
}
