/** Events of inotify, and how they are asked for. @see inotify(7) */
export const IN = {
  MODIFY: 0x2,
  ATTRIB: 0x4,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  UNMOUNT: 0x2000,
  Q_OVERFLOW: 0x4000,
  IGNORED: 0x8000,
  ONLYDIR: 0x1000000,
  ISDIR: 0x40000000,
} as const

/** One event: the number of its watch, its bits of {@link IN}, and within a directory the name it is about. */
export interface InotifyEvent {
  watch: number
  mask: number
  name: string
}

/** Bytes of the kernel's `struct inotify_event` before the name. */
const HEADER_BYTES = 16

/** Takes apart what was read from an inotify descriptor. @param length bytes that were read */
export function inotifyEvents(buffer: Buffer, length: number): InotifyEvent[] {
  const events: InotifyEvent[] = []
  let at = 0
  while (at + HEADER_BYTES <= length) {
    const named = buffer.readUInt32LE(at + 12)
    const padded = buffer.subarray(at + HEADER_BYTES, at + HEADER_BYTES + named)
    const end = padded.indexOf(0)
    const name = padded.toString('utf8', 0, end < 0 ? named : end)
    events.push({ watch: buffer.readInt32LE(at), mask: buffer.readUInt32LE(at + 4), name })
    at += HEADER_BYTES + named
  }
  return events
}
