/** `struct linux_dirent64` in bytes, up to the name. @see getdents64(2) */
export const DIRENT = { INODE: 0, RECLEN: 16, TYPE: 18, NAME: 19 } as const

/** What a directory says of an entry's type; UNKNOWN where its file system does not. */
export const DT = { UNKNOWN: 0, FIFO: 1, CHR: 2, DIR: 4, BLK: 6, REG: 8, LNK: 10, SOCK: 12 } as const

const DOT = 0x2e

/**
 * Goes through what getdents64(2) gave, leaving out `.` and `..`.
 *
 * @param length bytes of it, the call's result
 * @param entry is told where the name begins and ends, and the type, of {@link DT}
 */
export function eachDirent(
  bytes: Uint8Array,
  length: number,
  entry: (start: number, end: number, type: number) => void,
): void {
  for (let at = 0; at < length; ) {
    const start = at + DIRENT.NAME
    const next = at + (bytes[at + DIRENT.RECLEN] as number) + ((bytes[at + DIRENT.RECLEN + 1] as number) << 8)
    let end = start
    while (end < next && bytes[end] !== 0) end++
    if (!isDots(bytes, start, end)) entry(start, end, bytes[at + DIRENT.TYPE] as number)
    at = next
  }
}

function isDots(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] !== DOT) return false
  return end === start + 1 || (end === start + 2 && bytes[start + 1] === DOT)
}
