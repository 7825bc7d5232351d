/** What a request that can be answered at once is answered with. */
export const ANSWER = { WHOLE: 0, HEAD: 1, NOT_MODIFIED: 2 } as const

/** A value of {@link ANSWER}. */
export type AnswerKind = (typeof ANSWER)[keyof typeof ANSWER]

/**
 * A request's head that was parsed and found to ask a resource for something that can be answered at once. What a head
 * means depends on nothing but its bytes: the same bytes again are the same request, and one comparison takes the place
 * of parsing and of every look into a map.
 */
export class KnownHead {
  readonly answer: AnswerKind
  /** Its last empty line included, so that a head which merely begins alike is another one. */
  readonly length: number
  readonly #bytes: Uint8Array

  constructor(answer: AnswerKind, head: Uint8Array) {
    this.answer = answer
    this.length = head.length
    this.#bytes = new Uint8Array(head)
  }

  /** Whether this very head lies between two places. */
  lies(bytes: Uint8Array, start: number, end: number): boolean {
    const known = this.#bytes
    const { length } = known
    if (end - start < length) return false
    for (let index = 0; index < length; index++) if (bytes[start + index] !== known[index]) return false
    return true
  }
}
