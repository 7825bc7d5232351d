import { engine } from '../engine/index.js'
import {
  checkInteger,
  checkObject,
  checkSignal,
  controlSpace,
  descriptorControl,
  invalidArgType,
  invalidArgValue,
  iovecs,
  MSG,
  MSGHDR,
  messageHeader,
  receivedDescriptors,
  SluiceError,
} from '../kernel/index.js'
import { prepareRecvmsg, prepareSendmsg } from '../ring/index.js'
import { Connection } from './connection.js'
import type { Loan } from './loan.js'

/** Descriptors that one message carries at most. */
const MAX_DESCRIPTORS = 253
const MAX_DESCRIPTOR = 2 ** 31 - 1

/** Bytes that came, and the descriptors that came with them. */
export interface DescriptorMessage {
  readonly bytes: Uint8Array
  /** The receiver's to close. */
  readonly descriptors: number[]
  /** Some were lost: this process could not have as many. */
  readonly truncated: boolean
}

/**
 * Sends descriptors to the other end of a Unix socket, with bytes to tell what they are. They stay open here as well.
 *
 * @param bytes at least one: a stream carries descriptors with bytes only
 * @returns when the kernel has both
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `ERR_INVALID_ARG_VALUE` on another socket than a Unix one; the
 *   system error of sendmsg(2): `EBADF`; `ERR_SLUICE_BUSY` where the writing half is lent
 * @see unix(7), SCM_RIGHTS
 */
export async function sendDescriptors(
  connection: Connection,
  bytes: Uint8Array,
  descriptors: readonly number[],
): Promise<void> {
  checkConnection(connection)
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) {
    throw invalidArgType('bytes', 'a Uint8Array that is not empty', bytes)
  }
  if (!Array.isArray(descriptors)) throw invalidArgType('descriptors', 'an instance of Array', descriptors)
  checkInteger(descriptors.length, 'descriptors.length', 1, MAX_DESCRIPTORS)
  for (const [index, fd] of descriptors.entries())
    checkInteger(fd, `descriptors[${index}]`, 0, MAX_DESCRIPTOR)
  // TCP would send the bytes and drop the descriptors without a word.
  if (connection.isOpen && connection.localAddress?.family !== 'Unix') {
    throw invalidArgValue('connection', connection, 'must be one of a Unix socket')
  }
  const loan = await connection.lend('write')
  try {
    const [vectors, control] = [iovecs([bytes]), descriptorControl(descriptors)]
    const header = messageHeader({ vectors, control })
    const sent = await engine().run(
      (queue, userData) => prepareSendmsg(queue, loan.fd, header, MSG.NOSIGNAL, userData),
      { syscall: 'sendmsg', held: [header, vectors, control], buffers: [bytes], moves: true },
    )
    loan.moved(sent)
    loan.release()
    if (sent < bytes.length) await connection.write(bytes.subarray(sent))
  } finally {
    loan.release()
  }
}

/**
 * Receives the next bytes of a Unix socket, with the descriptors that came along. Read such a connection by this alone:
 * `read()` takes bytes without their descriptors, which the kernel then closes.
 *
 * @param options `most` bytes, 65536 by default; `signal` ends the wait
 * @returns null when the peer has ended
 * @throws the system error of recvmsg(2); what the connection failed with; `AbortError`; `ERR_SLUICE_BUSY` while another
 *   read waits
 */
export async function receiveDescriptors(
  connection: Connection,
  options: { most?: number; signal?: AbortSignal } = {},
): Promise<DescriptorMessage | null> {
  checkConnection(connection)
  checkObject(options)
  const { most = 65536, signal } = options
  checkInteger(most, 'options.most', 1, 2 ** 30)
  checkSignal(signal)
  const loan = await connection.lend('read')
  let rest: Uint8Array[] = []
  try {
    if (loan.early.length > 0) {
      const [bytes, ...others] = loan.early
      rest = others
      return { bytes, descriptors: [], truncated: false }
    }
    if (loan.fd < 0) return null
    const message = await receive(loan, most, signal)
    if (message === null && !connection.isOpen) throw connection.error ?? closed()
    return message
  } finally {
    loan.release(rest)
  }
}

function checkConnection(connection: unknown): asserts connection is Connection {
  if (!(connection instanceof Connection)) {
    throw invalidArgType('connection', 'an instance of Connection', connection)
  }
}

async function receive(loan: Loan, most: number, signal?: AbortSignal): Promise<DescriptorMessage | null> {
  const bytes = new Uint8Array(new ArrayBuffer(most))
  const control = new Uint8Array(new ArrayBuffer(controlSpace(MAX_DESCRIPTORS * 4)))
  const vectors = iovecs([bytes])
  const header = messageHeader({ vectors, control })
  const received = await unlessAborted(discard =>
    engine().run((queue, userData) => prepareRecvmsg(queue, loan.fd, header, MSG.CMSG_CLOEXEC, userData), {
      syscall: 'recvmsg',
      held: [header, vectors, control],
      buffers: [bytes],
      signal,
      discard,
      moves: true,
    }),
  )
  loan.moved(received)
  if (received === 0) return null
  const descriptors = receivedDescriptors(control, header[MSGHDR.CONTROLLEN / 4])
  const truncated = (header[MSGHDR.FLAGS / 4] & MSG.CTRUNC) !== 0
  return { bytes: bytes.subarray(0, received), descriptors, truncated }
}

/** What has come although it was aborted is taken from the stream: it is the caller's, and the abort came too late. */
async function unlessAborted(
  receive: (discard: (result: number) => void) => Promise<number>,
): Promise<number> {
  let late: number | undefined
  try {
    return await receive(result => {
      late = result
    })
  } catch (error) {
    if (late === undefined) throw error
    return late
  }
}

function closed(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'The connection is closed')
}
