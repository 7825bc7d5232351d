import type { prepareReadAt, SubmissionQueue } from '../ring/index.js'

/** Writes one entry. @returns false when the queue is full */
export type Prepare = (queue: SubmissionQueue, userData: number) => boolean

/** Writes the entry of a read, write, receive or send. */
export type PrepareMove = typeof prepareReadAt
