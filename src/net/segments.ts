import { Segment } from './segment.js'
import { COPIED_BYTES } from './turn-bytes.js'

/** Copies bytes behind the segments of a queue. */
export function append(segments: Segment[], bytes: Uint8Array): void {
  let rest = bytes
  while (rest.length > 0) {
    const part = rest.length > COPIED_BYTES ? rest.subarray(0, COPIED_BYTES) : rest
    const last = segments.at(-1)
    // The kernel may be reading from what is in flight, but not behind what it was told of.
    if (last === undefined || !last.gather(part)) {
      const segment = Segment.gathering()
      segment.gather(part)
      segments.push(segment)
    }
    rest = rest.subarray(part.length)
  }
}

/** Drops bytes that have been sent from the beginning of a queue. */
export function advance(segments: readonly Segment[], bytes: number): void {
  let left = bytes
  for (let index = 0; left > 0; index++) {
    const part = Math.min(left, segments[index].length)
    segments[index].advance(part)
    left -= part
  }
}

/** Lets go of what has been sent, and tells whoever waited for it. */
export function settleSent(segments: Segment[]): void {
  let sent = 0
  while (sent < segments.length && segments[sent].length === 0) segments[sent++].settle()
  segments.splice(0, sent)
}
