import type { Lap } from './lap.js'

/**
 * What is done to the file: the way, where its pages are, and in which order; or, without a file, over a connection.
 * Rows are compared within one of these.
 */
export type Goal =
  | 'read/cached/sequential'
  | 'read/cached/random'
  | 'read/uncached/sequential'
  | 'read/uncached/random'
  | 'send/cached'
  | 'write/cached/sequential'
  | 'write/cached/random'
  | 'write/uncached/sequential'
  | 'write/uncached/random'
  | 'write/durable/sequential'
  | 'write/copy/sequential'
  | 'net/echo'
  | 'net/messages'
  | 'net/relay'

/** Whether rows of a goal take their bytes from the file that is only read, whatever becomes of them. */
export function readsFile(goal: Goal): boolean {
  return goal.startsWith('read/') || goal.startsWith('send/')
}

/** One row of the lab: a mechanism used for a goal. */
export interface Case {
  readonly goal: Goal
  /** Bytes that one operation moves. */
  readonly size: number
  /** Operations in flight at once; 1 if left out. */
  readonly depth?: number
}

/** What a row is run with. */
export interface Setting {
  /** Leads to the file; opened anew by each mechanism, with the flags it wants. */
  readonly path: string
  /** Bytes of the file that are used, from its start. A whole number of operations. */
  readonly window: number
  /** Bytes that one operation moves: the case's, or less where the file is smaller. */
  readonly size: number
  readonly depth: number
  readonly random: boolean
}

/** A mechanism made ready: its file open, its memory there. */
export interface Workload {
  /** Moves bytes until the lap is over. Every operation is told of with `begin()` and `end()`. */
  run(lap: Lap): void | Promise<void>
  /** io_uring_enter(2) calls so far, for machines where system calls cannot be counted. */
  enters?(): number
  /** What a reader of its row should know of how it ran here. */
  readonly notes?: readonly string[]
  close(): void | Promise<void>
}

/** A way of moving bytes, with everything that the lab needs to know of it. */
export interface Mechanism {
  /** Such as `readSync`; 17 characters at most, as the table's first column has. */
  readonly name: string
  /** Whether Node has it without Sluice: what the others are compared with. */
  readonly node?: true
  /** One sentence on how it moves a byte. */
  readonly about: string
  /** How often the kernel copies a byte from memory to memory, by how it works. The device's own transfer is none. */
  readonly copies: number
  /** Why as often. */
  readonly copiesWhy: string
  /** Whether it goes past the page cache, so that there are neither hits nor misses. */
  readonly direct?: boolean
  readonly cases: readonly Case[]
  /** What bounds the operations that wait; `depth` at a time if left out. */
  readonly bound?: string
  /** Starts what it needs beside this process, before anything is counted. */
  prepare?(): Promise<void>
  /**
   * Makes it ready.
   *
   * @throws what the machine refuses it with; the row then says so
   */
  open(setting: Setting): Workload | Promise<Workload>
}
