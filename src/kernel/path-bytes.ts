import { invalidArgType, invalidArgValue } from './errors.js'

const NUL = 0

/**
 * A path, or another string for the kernel, as bytes with the NUL that ends it.
 *
 * @param path a string is taken as UTF-8, a `file:` URL is not taken
 * @throws `ERR_INVALID_ARG_TYPE`; `ERR_INVALID_ARG_VALUE` if there is a NUL inside
 */
export function pathBytes(path: string | Uint8Array): Uint8Array {
  if (typeof path !== 'string' && !(path instanceof Uint8Array)) {
    throw invalidArgType('path', 'of type string or an instance of Uint8Array', path)
  }
  const text = typeof path === 'string' ? Buffer.from(path) : path
  if (text.includes(NUL)) {
    const kind = 'must be a string, Uint8Array, or URL without null bytes'
    throw invalidArgValue('path', path, kind)
  }
  // Not Buffer.from: its pool would be shared with memory that the kernel still reads.
  const bytes = new Uint8Array(new ArrayBuffer(text.length + 1))
  bytes.set(text)
  return bytes
}
