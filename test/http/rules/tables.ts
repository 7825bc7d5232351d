import { CONDITIONS } from './conditions.js'
import { FRAMING, MESSAGES } from './messages.js'
import { CONNECTIONS, EXPECTATIONS, METHODS } from './methods.js'
import { NEGOTIATION } from './negotiation.js'
import { RANGES } from './ranges.js'
import type { Rule } from './rule.js'
import { TARGETS } from './targets.js'

/** All rules of RFC 9110, 9111 and 9112 for an origin server. */
export const RULES: readonly Rule[] = [
  MESSAGES,
  FRAMING,
  TARGETS,
  CONDITIONS,
  RANGES,
  NEGOTIATION,
  METHODS,
  CONNECTIONS,
  EXPECTATIONS,
].flat()

/** What comes behind a request, and is answered or not. */
export const SENTINEL = 'GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
/** What comes before it, in one piece with it: answered with `b` and the head of five bytes. */
export const BEFORE = 'GET /docs/b.txt HTTP/1.1\r\nHost: a\r\n\r\nHEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n'

/** The method of a rule's request. */
export const methodOf = ({ request }: Rule) => /^\s*(\w+)/.exec(request)?.[1] ?? ''
