import { type Answer, plainAnswer } from './answer.js'
import { responseHead } from './response-head.js'

const END = '\r\n\r\n'

/** Bytes of such a response behind its head. */
export function bodyLength(answer: Buffer): number {
  return answer.length - answer.indexOf(END) - END.length
}

/**
 * A whole response in words, behind which the connection ends: for what was no request, or none that others may follow.
 *
 * @param isHead whether it asked for no more than a head
 */
export function closingAnswer(refusal: number | Answer, isHead = false): Buffer {
  const answer = typeof refusal === 'number' ? plainAnswer(refusal) : refusal
  const head = Buffer.from(responseHead(answer, false, 1), 'latin1')
  return answer.body.kind === 'bytes' && !isHead ? Buffer.concat([head, answer.body.bytes]) : head
}
