import { engine, isOutOfThreads } from '../engine/index.js'
import { errnoOf, SPLICE_F, syscall } from '../kernel/index.js'
import { prepareSplice } from '../ring/index.js'
import { type Endpoint, setOffset } from './endpoint.js'
import { failed, rejected } from './mechanism.js'
import { spend } from './turns.js'

const EAGAIN = -errnoOf('EAGAIN')
const EINTR = -errnoOf('EINTR')

/** One side of a splice. At least one of two is a pipe. */
export interface Side {
  fd: number
  /** Where in it; -1 for its own position, and where it has none. */
  offset: number
  /** Whose it is, where it is no pipe of ours. */
  endpoint?: Endpoint
}

const fromWords = new Int32Array(new ArrayBuffer(64))
const toWords = new Int32Array(new ArrayBuffer(64))

/**
 * Moves bytes with splice(2) here and now, without waiting for either side. A file's bytes must be in the page cache.
 *
 * @returns bytes; 0 at the source's end; -1 where one of the sides is not ready
 * @throws `Unsuitable`, or the system error
 */
export function spliceNow(from: Side, to: Side, length: number): number {
  if (from.offset >= 0) setOffset(fromWords, from.offset)
  if (to.offset >= 0) setOffset(toWords, to.offset)
  const fromOffset = from.offset >= 0 ? fromWords : 0
  const toOffset = to.offset >= 0 ? toWords : 0
  from.endpoint?.enterBurst()
  to.endpoint?.enterBurst()
  let result: number
  do {
    result = syscall('splice', from.fd, fromOffset, to.fd, toOffset, length, SPLICE_F.NONBLOCK)
  } while (result === EINTR)
  to.endpoint?.leaveBurst()
  from.endpoint?.leaveBurst()
  if (result === EAGAIN) return -1
  if (result < 0) failed(result, 'splice')
  spend(result)
  return result
}

/**
 * As {@link spliceNow}, on another thread: for a file that may have to wait for its device.
 *
 * It cannot be aborted: what it has moved must be counted.
 */
export async function spliceElsewhere(from: Side, to: Side, length: number): Promise<number> {
  const { fd, offset } = from
  try {
    return await engine().run(
      (queue, userData) =>
        prepareSplice(queue, fd, offset, to.fd, to.offset, length, SPLICE_F.NONBLOCK, userData),
      { syscall: 'splice' },
    )
  } catch (error) {
    if ((error as NodeJS.ErrnoException).errno === EAGAIN && !isOutOfThreads(error)) return -1
    return rejected(error)
  }
}
