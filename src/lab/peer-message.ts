/** So that V8 does not keep the bytes on its own heap, where they move. */
const LEAST_BYTES = 128

/** The message of every row over connections. */
export function messageOf(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(Math.max(size, LEAST_BYTES))).fill(0x61).subarray(0, size)
}
