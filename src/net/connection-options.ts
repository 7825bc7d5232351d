import { checkInteger, invalidArgValue } from '../kernel/index.js'
import type { TcpOptions } from './socket-options.js'

const MAX_BOUND = 2 ** 30
/** What setInterval() takes, times eight. */
const MAX_TIMEOUT = 2 ** 31

/** How a connection behaves. */
export interface ConnectionOptions {
  /**
   * Bytes that may have been received and not read: what comes ahead of `read()`. 65536 by default. Nothing is
   * received before the first read.
   */
  receiveBound?: number
  /** Bytes that may have been written and not sent; 1 MiB by default. One larger write is taken when none waits. */
  sendBound?: number
  /**
   * What `write()` does at the bound: waits, the default, or rejects with `ERR_SLUICE_QUEUE_FULL`. It rejects, too, where
   * 16384 writes wait already.
   */
  full?: 'wait' | 'reject'
  /**
   * Whether large writes whose memory is registered (`Arena.register(engine().buffers)`) are sent from where they lie,
   * without a copy, which holds the memory until the peer has the bytes. `auto`, the default: where the peer is on
   * another machine, since to this one the kernel copies all the same.
   */
  zeroCopy?: 'auto' | 'always' | 'never'
  /**
   * Milliseconds without a byte in either direction, after which the connection fails with `ETIMEDOUT`; 0 for never. Bytes
   * that the kernel holds count again when the peer takes them: a slow reader is not idle.
   */
  idleTimeout?: number
  /** Milliseconds that a read may wait for its first byte, after which the connection fails with `ETIMEDOUT`. */
  readTimeout?: number
  /**
   * Milliseconds that bytes which were written may wait without the peer taking any, after which the connection fails with
   * `ETIMEDOUT`: a peer that sends and never reads is none that `idleTimeout` would end.
   */
  writeTimeout?: number
}

/** {@link ConnectionOptions}, checked and complete; one for all connections of a listener. */
export type ConnectionSettings = Readonly<Required<ConnectionOptions>> & {
  /** Nobody has chosen its congestion control. */
  readonly anyCongestion: boolean
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE` */
export function connectionSettings(options: ConnectionOptions & TcpOptions): ConnectionSettings {
  const { receiveBound = 65536, sendBound = 2 ** 20, full = 'wait' } = options
  const { zeroCopy = 'auto', idleTimeout = 0, readTimeout = 0, writeTimeout = 0 } = options
  checkInteger(receiveBound, 'options.receiveBound', 1, MAX_BOUND)
  checkInteger(sendBound, 'options.sendBound', 1, MAX_BOUND)
  checkInteger(idleTimeout, 'options.idleTimeout', 0, MAX_TIMEOUT)
  checkInteger(readTimeout, 'options.readTimeout', 0, MAX_TIMEOUT)
  checkInteger(writeTimeout, 'options.writeTimeout', 0, MAX_TIMEOUT)
  if (full !== 'wait' && full !== 'reject') {
    throw invalidArgValue('options.full', full, 'is not wait or reject')
  }
  if (zeroCopy !== 'auto' && zeroCopy !== 'always' && zeroCopy !== 'never') {
    throw invalidArgValue('options.zeroCopy', zeroCopy, 'is not auto, always or never')
  }
  const anyCongestion = options.congestion === undefined
  return { receiveBound, sendBound, full, zeroCopy, idleTimeout, readTimeout, writeTimeout, anyCongestion }
}
