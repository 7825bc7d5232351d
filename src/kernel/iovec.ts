import { addressOf } from './syscall.js'

/** `struct iovec` in bytes. */
export const IOVEC = { BASE: 0, LEN: 8, SIZE: 16 } as const

/** As many iovecs as one call takes (`IOV_MAX`). */
export const IOV_MAX = 1024

const WORDS = IOVEC.SIZE / 4
const WORD_RANGE = 2 ** 32

/**
 * Lays out an array of `struct iovec` for readv, writev and messages.
 *
 * The block holds addresses only: whoever hands it to the kernel keeps it and the buffers alive until the
 * operation has completed.
 *
 * @see readv(2)
 */
export function iovecs(buffers: readonly ArrayBufferView[]): Uint32Array {
  // A separate ArrayBuffer, since V8 may keep a small typed array inside its movable heap.
  const words = new Uint32Array(new ArrayBuffer(buffers.length * IOVEC.SIZE))
  for (let index = 0; index < buffers.length; index++) {
    const buffer = buffers[index] as ArrayBufferView
    setIovec(words, index, addressOf(buffer), buffer.byteLength)
  }
  return words
}

/** Sets one entry of a block from {@link iovecs} to a piece of raw memory. */
export function setIovec(words: Uint32Array, index: number, address: number, length: number): void {
  const at = index * WORDS
  words[at] = address
  words[at + 1] = Math.floor(address / WORD_RANGE)
  words[at + 2] = length
  words[at + 3] = Math.floor(length / WORD_RANGE)
}
