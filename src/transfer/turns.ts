import { Fifo } from '../engine/index.js'
import { SluiceError } from '../kernel/index.js'

/** What all transfers of a thread may move before its event loop goes round: a millisecond or so. */
const TURN_BYTES = 2 ** 23
/** No transfer is given less at once, so that calls stay worth their price. */
export const LEAST_BYTES = 2 ** 17
/**
 * The share of each of those who have waited, no less: to come back for the rest of a file costs more than it does others to
 * wait. It is no promise: one of them who goes on as its socket empties takes what is left of the turn from those behind it.
 */
export const PIECE_BYTES = 2 ** 20
const MAX_WAITING = 2 ** 20

let left = TURN_BYTES
let share = TURN_BYTES
/** What begins the next turn. It holds the event loop up only where somebody waits for it. */
let scheduled: NodeJS.Immediate | undefined
const waiting = new Fifo<() => void>(MAX_WAITING)

function newTurn(): void {
  scheduled = undefined
  left = TURN_BYTES
  const woken = Math.min(waiting.length, TURN_BYTES / PIECE_BYTES)
  share = TURN_BYTES / Math.max(1, woken)
  for (let count = 0; count < woken; count++) waiting.shift()?.()
  if (waiting.length > 0) schedule()
}

function schedule(): void {
  scheduled ??= setImmediate(newTurn)
  scheduled.ref()
}

/**
 * How many bytes a transfer may move now on the event loop's thread; 0 when this turn's are used up, and it must
 * `await nextTurn()`.
 */
export function allowance(): number {
  return Math.min(left, share)
}

/**
 * Counts bytes that have been moved on the event loop's thread. The next turn is asked for when this one's are used up, or
 * shared: where each wait moves a little, to ask each time would cost more than to move it.
 */
export function spend(bytes: number): void {
  left -= bytes
  if (left < LEAST_BYTES) left = 0
  if (left === 0 || share < TURN_BYTES) scheduled ??= setImmediate(newTurn).unref()
}

/** Whether transfers wait for the next turn. */
export function othersWait(): boolean {
  return waiting.length > 0
}

/**
 * Calls back in the next turn of the event loop; those who wait longest come first.
 *
 * @throws `ERR_SLUICE_QUEUE_FULL`
 */
export function atNextTurn(callback: () => void): void {
  schedule()
  if (waiting.push(callback)) return
  throw new SluiceError('ERR_SLUICE_QUEUE_FULL', `${MAX_WAITING} transfers wait for their turn`)
}

/** As `atNextTurn()`. */
export function nextTurn(): Promise<void> {
  return new Promise(resolve => atNextTurn(resolve))
}
