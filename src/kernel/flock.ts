/** Kinds of lock on a range of a file. */
export const FLOCK = { READ: 0, WRITE: 1, UNLOCK: 2 } as const

/**
 * Lays out a `struct flock` for the OFD commands of fcntl(2), counted from the file's beginning.
 *
 * @param type of {@link FLOCK}
 * @param length bytes; 0 to the end of the file, wherever that will be
 */
export function flock(type: number, offset = 0, length = 0): Uint8Array<ArrayBuffer> {
  // type and whence are 16 bits, then 4 bytes stand unused; the process id must be 0 for an OFD lock.
  const bytes = new Uint8Array(new ArrayBuffer(32))
  const view = new DataView(bytes.buffer)
  view.setInt16(0, type, true)
  view.setBigInt64(8, BigInt(offset), true)
  view.setBigInt64(16, BigInt(length), true)
  return bytes
}

/** The type of lock in a {@link flock} that `F.OFD_GETLK` has answered. */
export function flockType(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt16(0, true)
}
