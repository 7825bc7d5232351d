import type { Connection } from '../net/index.js'

/**
 * What a connection waits for, each with a time limit of its own; `fresh`: for the first byte of the first request;
 * `linger`: for a client to go that was told to.
 */
export type Phase = 'fresh' | 'idle' | 'head' | 'body' | 'send' | 'linger'

/** A connection as whoever watches the clock and closes the server sees it, whatever protocol it speaks. */
export interface ServedConnection {
  readonly connection: Connection
  /** What it waits for. */
  readonly phase: Phase
  /** Grows with every step of the connection. */
  readonly beat: number
  /** Whether its client can hold up an answer of which nothing is on its way: streams of HTTP/2 have windows of their own. */
  readonly hasWindows: boolean
  /** Serves it. @returns when it has ended */
  run(): Promise<void>
  /** Takes no further request: it ends once those under way are answered, at once where there is none. */
  finish(): void
  /**
   * Its time is up: it tells its client, where there is something to tell, and ends.
   *
   * @returns false where nothing but a reset is left
   */
  expire(): boolean
}

/** Whether nothing has come that is owed an answer. */
export function isSilent(phase: Phase): boolean {
  return phase === 'idle' || phase === 'fresh'
}

/** A client's address, for the log; of a Unix socket there is none. */
export function addressOf({ remoteAddress }: Connection): string {
  return remoteAddress !== undefined && 'address' in remoteAddress ? remoteAddress.address : '-'
}
