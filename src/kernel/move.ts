import { native } from './native.js'

/** What native/move.c is told and answers: doubles, and what each of them is. */
const LEND = { SOURCE: 0, SINK: 1, OFFSET: 2, SURE: 3, MOST: 4, MOVED: 5, RESULT: 6 } as const
const PASS = {
  SOURCE: 0,
  SINK: 1,
  INLET: 2,
  OUTLET: 3,
  ROOM: 4,
  PENDING: 5,
  REMAINING: 6,
  SURE: 7,
  MOST: 8,
  MOVED: 9,
  FILLED: 10,
  FILL_RESULT: 11,
  DRAIN_RESULT: 12,
} as const
const lendWords = new Float64Array(8)
const passWords = new Float64Array(13)

/** What came of moving bytes in a row. */
export interface LentRun {
  /** Bytes that the sink took. */
  moved: number
  /** What the last call returned: bytes, 0 at the file's end, or -errno. */
  result: number
}

const lent: LentRun = { moved: 0, result: 0 }

/**
 * sendfile(2) call after call, until the sink takes less than it is given. Neither end may block, and the bytes must be in
 * the page cache.
 *
 * @param sure bytes to be moved in any case
 * @param most bytes to be moved as long as this thread's event loop has nothing else to do
 * @returns the same object each time
 */
export function lendFile(source: number, sink: number, offset: number, sure: number, most: number): LentRun {
  lendWords[LEND.SOURCE] = source
  lendWords[LEND.SINK] = sink
  lendWords[LEND.OFFSET] = offset
  lendWords[LEND.SURE] = sure
  lendWords[LEND.MOST] = most
  native().lendFile(lendWords)
  lent.moved = lendWords[LEND.MOVED] as number
  lent.result = lendWords[LEND.RESULT] as number
  return lent
}

/** Bytes on their way from one socket to another through a pipe. */
export interface Passage {
  source: number
  sink: number
  /** The pipe's ends: where bytes go in, and where they come out. */
  inlet: number
  outlet: number
  /** Bytes that the pipe holds. */
  room: number
  /** Bytes that are in it. */
  pending: number
  /** Bytes that may yet be put into it; may be `Infinity`. */
  remaining: number
  /** Bytes to be moved in any case. */
  sure: number
  /** Bytes to be moved as long as this thread's event loop has nothing else to do. */
  most: number
}

/** What came of passing bytes on. */
export interface PassedRun {
  /** Bytes that the sink took. */
  moved: number
  /** Bytes that the source gave. */
  filled: number
  /** Bytes in the pipe afterwards. */
  pending: number
  /** What the last splice(2) out of the source returned: bytes, 0 at its end, or -errno. */
  fillResult: number
  /** What the last one into the sink returned: bytes or -errno. */
  drainResult: number
}

const passed: PassedRun = { moved: 0, filled: 0, pending: 0, fillResult: 0, drainResult: 0 }

/**
 * splice(2) into a pipe and out of it again, until the source has no more or the sink takes less than there is. Neither end
 * may block.
 *
 * @returns the same object each time
 */
export function passOn(passage: Passage): PassedRun {
  passWords[PASS.SOURCE] = passage.source
  passWords[PASS.SINK] = passage.sink
  passWords[PASS.INLET] = passage.inlet
  passWords[PASS.OUTLET] = passage.outlet
  passWords[PASS.ROOM] = passage.room
  passWords[PASS.PENDING] = passage.pending
  passWords[PASS.REMAINING] = passage.remaining
  passWords[PASS.SURE] = passage.sure
  passWords[PASS.MOST] = passage.most
  native().passOn(passWords)
  passed.moved = passWords[PASS.MOVED] as number
  passed.filled = passWords[PASS.FILLED] as number
  passed.pending = passWords[PASS.PENDING] as number
  passed.fillResult = passWords[PASS.FILL_RESULT] as number
  passed.drainResult = passWords[PASS.DRAIN_RESULT] as number
  return passed
}
