import type { SubmissionQueue } from '../submission-queue.js'

/** What a prepare function takes beside queue and user data. */
export type Argument = number | ArrayBufferView

/** Any prepare function. */
export type Prepare = (queue: SubmissionQueue, ...args: never[]) => boolean

/** The fields of `struct io_uring_sqe` that are not zero; a view stands for its address. */
export interface Fields {
  op: number
  flags?: number
  priority?: number
  fd?: number
  off?: Argument
  addr?: Argument
  len?: number
  opFlags?: number
  buffer?: number
  fileIndex?: number
  addr3?: Argument
  pad?: number
}

/** A prepare function, its arguments, and the entry that it must write. */
export type Case = [Prepare, Argument[], Fields]

/** A slot for the kernel to pick, and all bits of a mask. */
export const ALLOC = 0xffffffff
/** Above 4 GiB, so that both halves of an offset show. */
export const FAR = 0x12_3456_789a
/** An address with both halves in use. */
export const ADDRESS = 0x7f12_3456_7000

/** A buffer whose length shows in the entry. */
export const view = (bytes: number) => new Uint8Array(new ArrayBuffer(bytes))
/** What is read or written. */
export const data = view(100)
/** A path, or another name. */
export const path = view(10)
/** A second view beside {@link data} or {@link path}. */
export const other = view(20)
/** Three iovecs. */
export const vectors = view(48)
/** Three futexes to wait for. */
export const waiters = view(72)
/** What a driver's command carries. */
export const words = new Int32Array([11, -12, 13, -14])
