import { SILENT } from '../engine/index.js'

/** What a connection has in flight, as its user data says it. */
export const KIND = {
  /** A multishot receive into shared blocks. */
  RECEIVE: 0,
  /** A receive into the caller's own memory. */
  DIRECT: 1,
  /** A wait until there is something to receive. */
  POLL: 2,
  /** A send that waits as long as it takes. */
  SEND: 3,
  SHUTDOWN: 4,
  CLOSE: 5,
  /** A shutdown of both halves, for those who borrowed the descriptor. Nobody waits for it. */
  CUT: 7,
  /** A send that is tried once; it completes only if it fails or falls short. */
  TRY: 6 | SILENT,
  /** A multishot accept. */
  ACCEPT: 8,
} as const
