import type { SubmissionQueue } from '../ring/index.js'

/** Writes one entry. @returns false when the queue is full */
export type Prepare = (queue: SubmissionQueue, userData: number) => boolean

/** Writes the entry of a read, write, receive or send. */
export type PrepareMove = (
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  position: number,
  userData: number,
) => boolean
