import { addressOf, pathBytes } from '../../kernel/index.js'

/** A file's name, or a path, as the kernel takes it. Whoever uses the address keeps the object. */
export interface Name {
  /** Of its first byte; a NUL ends it. */
  readonly address: number
  /** Without the NUL. */
  readonly bytes: Uint8Array
}

/** A name, or a path, of our own making. */
export function nameOf(text: Uint8Array): Name {
  const bytes = pathBytes(text)
  return { address: addressOf(bytes), bytes: bytes.subarray(0, -1) }
}

/** The empty path, which names what a descriptor leads to. Made when it is first asked for: importing needs no binary. */
class EmptyPath implements Name {
  #made: Name | undefined

  get address(): number {
    this.#made ??= nameOf(this.bytes)
    return this.#made.address
  }

  get bytes(): Uint8Array {
    return new Uint8Array(0)
  }
}

/** For what an open descriptor is itself, with `AT.EMPTY_PATH`. */
export const EMPTY_PATH: Name = new EmptyPath()

/** A name that lies where the kernel has written it. */
export class FoundName implements Name {
  readonly address: number
  readonly #listing: Uint8Array
  readonly #start: number
  readonly #end: number

  /** @param address of the listing */
  constructor(listing: Uint8Array, address: number, start: number, end: number) {
    this.address = address + start
    this.#listing = listing
    this.#start = start
    this.#end = end
  }

  get bytes(): Uint8Array {
    return this.#listing.subarray(this.#start, this.#end)
  }
}

const SLASH = 0x2f

/** The path of something in a folder, as bytes: names need not be UTF-8. */
export function joinPath(folder: Uint8Array, name: Uint8Array): Uint8Array {
  const slash = folder.at(-1) === SLASH ? [] : [Uint8Array.of(SLASH)]
  return Buffer.concat([folder, ...slash, name])
}

/** A path for people. */
export function showPath(path: Uint8Array): string {
  return Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString()
}
