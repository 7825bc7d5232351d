import { errnoOf, POLL, SluiceError, syscall } from '../kernel/index.js'

/** What a socket's system calls fail with when its peer is gone. */
const PEER_GONE = new Set(
  ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'].map(name => -errnoOf(name)),
)
/** One `struct pollfd`: the descriptor, then what is asked for and what is so. */
const entry = new Int32Array(new ArrayBuffer(8))
const NO_TIME = new Int32Array(new ArrayBuffer(64))

/** A connection, as far as its failure is concerned. */
interface Failing {
  readonly fd: number
  readonly error: Error | undefined
}

/**
 * Whether what its handler failed with is the connection's own failure, or its end. Who moves bytes by the descriptor,
 * such as a transfer, hears of the failure from the kernel himself: it is another error then, of the same number, and
 * the connection may not have heard of it yet.
 */
export function isOwnFailure(connection: Failing, error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error === connection.error || isOfEnded(error)) return true
  const own = connection.error as NodeJS.ErrnoException | undefined
  if (own !== undefined) return error.cause === own || isSystemErrorOf(error, own.errno)
  const { errno } = error as NodeJS.ErrnoException
  return errno !== undefined && PEER_GONE.has(errno) && isHungUp(connection.fd)
}

/** Writing to or reading from a connection that has ended gives it. */
function isOfEnded(error: Error): boolean {
  return error instanceof SluiceError && error.code === 'ERR_SLUICE_CLOSED'
}

function isSystemErrorOf({ errno }: NodeJS.ErrnoException, expected: number | undefined): boolean {
  return errno !== undefined && errno === expected
}

/** Whether a socket can neither send nor receive any more. */
function isHungUp(fd: number): boolean {
  if (fd < 0) return false
  entry[0] = fd
  entry[1] = 0
  return syscall('ppoll', entry, 1, NO_TIME, 0, 8) > 0 && ((entry[1] >>> 16) & POLL.HUP) !== 0
}
