import type { Handle } from '../engine/index.js'

/** What a sender tells its connection. */
export interface SenderOwner extends Handle {
  /** Nothing of the sender's is in flight any more. */
  senderIdle(): void
  /** Nothing can be sent any more. */
  sendFailed(error: Error): void
}
