import type { Connection } from '../net/index.js'

/** What a connection waits for, each with a time limit of its own. */
export type Phase = 'idle' | 'head' | 'body' | 'send'

/** A connection as whoever watches the clock and closes the server sees it, whatever protocol it speaks. */
export interface ServedConnection {
  readonly connection: Connection
  /** What it waits for. */
  readonly phase: Phase
  /** Grows with every step of the connection. */
  readonly beat: number
  /** Serves it. @returns when it has ended */
  run(): Promise<void>
  /** Takes no further request: it ends once those under way are answered, at once where there is none. */
  finish(): void
}

/** A client's address, for the log; of a Unix socket there is none. */
export function addressOf({ remoteAddress }: Connection): string {
  return remoteAddress !== undefined && 'address' in remoteAddress ? remoteAddress.address : '-'
}
