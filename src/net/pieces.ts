import { invalidArgType } from '../kernel/index.js'

/** What is to be written one behind the other, as bytes. @throws `ERR_INVALID_ARG_TYPE`, before any is written */
export function bytesOf(pieces: readonly (Uint8Array | string)[]): Uint8Array[] {
  if (!Array.isArray(pieces)) throw invalidArgType('pieces', 'an instance of Array', pieces)
  return pieces.map((piece, index) => {
    if (piece instanceof Uint8Array) return piece
    if (typeof piece === 'string') return Buffer.from(piece)
    throw invalidArgType(`pieces[${index}]`, 'of type string or an instance of Uint8Array', piece)
  })
}
