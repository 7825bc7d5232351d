import type { DatagramInbox } from './datagram-inbox.js'
import type { NetResources } from './resources.js'

/** What a source of datagrams works on. */
export interface DatagramTarget {
  readonly resources: NetResources
  readonly inbox: DatagramInbox
  /** The handle's number. */
  readonly number: number
  readonly fd: number
  /** Bytes of a datagram that are kept. */
  readonly maxSize: number
  /** Bytes that may be queued. */
  readonly bound: number
}

/** Where datagrams come from. */
export interface DatagramSource {
  /** Whether anything is in flight. */
  readonly busy: boolean
  /** Somebody waits, or there is room again. */
  want(): void
  /** Sees a completion. */
  complete(kind: number, result: number, flags: number): void
  /** Ends what is in flight; nothing is begun any more. */
  stop(): void
  /** Lets the memory go. Nothing may be in flight. */
  release(): void
}
