import { SCM, SOL, UDP } from './socket.js'
import { addressOf } from './syscall.js'

/** `struct msghdr` in bytes. */
export const MSGHDR = {
  NAME: 0,
  NAMELEN: 8,
  IOV: 16,
  IOVLEN: 24,
  CONTROL: 32,
  CONTROLLEN: 40,
  FLAGS: 48,
  SIZE: 56,
} as const

/** `struct cmsghdr` in bytes; the data follows, and the next message at a multiple of 8. */
export const CMSGHDR = { LEN: 0, LEVEL: 8, TYPE: 12, SIZE: 16 } as const

/** `struct mmsghdr` in bytes: a message header, and how long the message was. @see recvmmsg(2) */
export const MMSGHDR = { LEN: 56, SIZE: 64 } as const

const IOVEC_SIZE = 16
const FD_SIZE = 4

/** What a message is made of. Each part must stay alive until the operation has completed. */
export interface MessageParts {
  /** From `iovecs()`. */
  readonly vectors?: ArrayBufferView
  /** The address it goes to, or room for the one it comes from. */
  readonly name?: ArrayBufferView
  /** Control data, or room for it. */
  readonly control?: ArrayBufferView
}

function point(words: Uint32Array, field: number, view: ArrayBufferView, length: number): void {
  const address = addressOf(view)
  words[field / 4] = address
  words[field / 4 + 1] = Math.floor(address / 2 ** 32)
  words[field / 4 + 2] = length
}

/**
 * Lays out the header of a message.
 *
 * @see sendmsg(2), recvmsg(2)
 */
export function messageHeader({ vectors, name, control }: MessageParts): Uint32Array {
  const words = new Uint32Array(new ArrayBuffer(MSGHDR.SIZE))
  if (name !== undefined) point(words, MSGHDR.NAME, name, name.byteLength)
  if (vectors !== undefined) point(words, MSGHDR.IOV, vectors, vectors.byteLength / IOVEC_SIZE)
  if (control !== undefined) point(words, MSGHDR.CONTROL, control, control.byteLength)
  return words
}

/** Bytes that control data takes, its header and padding included. */
export function controlSpace(dataBytes: number): number {
  return CMSGHDR.SIZE + Math.ceil(dataBytes / 8) * 8
}

/**
 * Control data that passes descriptors to the other end of a Unix socket.
 *
 * @see unix(7), SCM_RIGHTS
 */
export function descriptorControl(fds: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(controlSpace(fds.length * FD_SIZE)))
  const view = new DataView(bytes.buffer)
  view.setUint32(CMSGHDR.LEN, CMSGHDR.SIZE + fds.length * FD_SIZE, true)
  view.setInt32(CMSGHDR.LEVEL, SOL.SOCKET, true)
  view.setInt32(CMSGHDR.TYPE, SCM.RIGHTS, true)
  for (const [index, fd] of fds.entries()) view.setInt32(CMSGHDR.SIZE + index * FD_SIZE, fd, true)
  return bytes
}

/**
 * The descriptors that came with a message. They are the caller's to close.
 *
 * @param length how much of `control` the kernel filled, from the header's `MSGHDR.CONTROLLEN`
 */
export function receivedDescriptors(control: Uint8Array, length = control.byteLength): number[] {
  const view = new DataView(control.buffer, control.byteOffset, Math.min(length, control.byteLength))
  const fds: number[] = []
  for (let at = 0; at + CMSGHDR.SIZE <= view.byteLength; ) {
    const messageBytes = view.getUint32(at + CMSGHDR.LEN, true)
    if (messageBytes < CMSGHDR.SIZE || at + messageBytes > view.byteLength) break
    const rights =
      view.getInt32(at + CMSGHDR.LEVEL, true) === SOL.SOCKET &&
      view.getInt32(at + CMSGHDR.TYPE, true) === SCM.RIGHTS
    for (let fd = at + CMSGHDR.SIZE; rights && fd + FD_SIZE <= at + messageBytes; fd += FD_SIZE) {
      fds.push(view.getInt32(fd, true))
    }
    at += Math.ceil(messageBytes / 8) * 8
  }
  return fds
}

/** Control data that has a send cut into datagrams of so many bytes. @see udp(7), UDP_SEGMENT */
export function segmentControl(segmentBytes: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(controlSpace(2)))
  const view = new DataView(bytes.buffer)
  view.setUint32(CMSGHDR.LEN, CMSGHDR.SIZE + 2, true)
  view.setInt32(CMSGHDR.LEVEL, SOL.UDP, true)
  view.setInt32(CMSGHDR.TYPE, UDP.SEGMENT, true)
  view.setUint16(CMSGHDR.SIZE, segmentBytes, true)
  return bytes
}

/** The size of the datagrams that came as one message; 0 where it is one datagram. @see udp(7), UDP_GRO */
export function receivedSegmentSize(control: Uint8Array, length = control.byteLength): number {
  const view = new DataView(control.buffer, control.byteOffset, Math.min(length, control.byteLength))
  for (let at = 0; at + CMSGHDR.SIZE <= view.byteLength; ) {
    const messageBytes = view.getUint32(at + CMSGHDR.LEN, true)
    if (messageBytes < CMSGHDR.SIZE || at + messageBytes > view.byteLength) return 0
    const level = view.getInt32(at + CMSGHDR.LEVEL, true)
    if (level === SOL.UDP && view.getInt32(at + CMSGHDR.TYPE, true) === UDP.GRO) {
      return view.getUint16(at + CMSGHDR.SIZE, true)
    }
    at += Math.ceil(messageBytes / 8) * 8
  }
  return 0
}
