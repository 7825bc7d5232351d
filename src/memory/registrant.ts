import { errnoOf, invalidArgType, invalidArgValue, lockedMemory } from '../kernel/index.js'

/** What an arena needs of a ring: its table of registered buffers. */
export interface BufferTable {
  /** What is registered, by index; null marks an empty place. */
  readonly buffers: readonly (ArrayBufferView | null)[]
  readonly isOpen: boolean
  registerBuffers(buffers: readonly ArrayBufferView[]): void
  updateBuffers(offset: number, buffers: readonly (ArrayBufferView | null)[]): void
  unregisterBuffers(): void
}

/** What came of registering a slab. */
export type Registration =
  | {
      registered: true
      /** The first of the ring's places that it takes. */
      index: number
      /** How many it takes. */
      count: number
    }
  | {
      registered: false
      /** Why not, for a person. */
      reason: string
      /** The error's name, where it was the kernel that refused. */
      code?: string
    }

/** The kernel takes no more in one registered buffer. */
const MAX_BUFFER = 2 ** 30
const ENOMEM = -errnoOf('ENOMEM')

/** A slab's place in a ring's table of registered buffers. */
export class Registrant {
  readonly #pieces: readonly Uint8Array[]
  /** Blocks in each registered buffer. */
  readonly #blocks: number
  #ring: BufferTable | undefined
  #first = -1
  #registration: Registration | undefined

  /** @param stride bytes from one block to the next; no block is cut in two, so it is at most 1 GiB */
  constructor(slab: Uint8Array, stride: number) {
    this.#blocks = Math.max(1, Math.floor(MAX_BUFFER / stride))
    const bytes = this.#blocks * stride
    const count = Math.ceil(slab.length / bytes)
    this.#pieces = Array.from({ length: count }, (_, index) =>
      slab.subarray(index * bytes, (index + 1) * bytes),
    )
  }

  /** The last attempt's result. */
  get registration(): Registration | undefined {
    return this.#registration
  }

  /** The registered buffer that holds a block, -1 while there is none. */
  indexOf(block: number): number {
    return this.#first < 0 ? -1 : this.#first + Math.floor(block / this.#blocks)
  }

  /** Puts the slab into a ring's table. */
  register(ring: BufferTable): Registration {
    if (typeof ring?.registerBuffers !== 'function') throw invalidArgType('ring', 'an instance of Ring', ring)
    if (this.#ring?.isOpen)
      throw invalidArgValue('ring', ring, 'comes second: the arena is registered already')
    this.#registration = this.#attempt(ring)
    if (this.#registration.registered) {
      this.#ring = ring
      this.#first = this.#registration.index
    }
    return this.#registration
  }

  #attempt(ring: BufferTable): Registration {
    const pieces = this.#pieces
    const count = pieces.length
    const index = freePlaces(ring.buffers, count)
    if (index < 0)
      return { registered: false, reason: `the ring's table has no ${count} empty places in a row` }
    if ((pieces[0] as Uint8Array).length > MAX_BUFFER) {
      return {
        registered: false,
        reason: 'a block is larger than the 1 GiB that one registered buffer may have',
      }
    }
    try {
      if (ring.buffers.length === 0) ring.registerBuffers(pieces)
      else ring.updateBuffers(index, pieces)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).errno !== ENOMEM) throw error
      return { registered: false, reason: this.#shortage(), code: 'ENOMEM' }
    }
    return { registered: true, index, count }
  }

  #shortage(): string {
    const bytes = this.#pieces.reduce((sum, piece) => sum + piece.length, 0)
    const { limit, unlimited } = lockedMemory()
    if (unlimited) return `the kernel has no memory to pin ${bytes} bytes`
    return `${bytes} bytes cannot be locked: RLIMIT_MEMLOCK is ${limit} bytes for all of this user's rings, and CAP_IPC_LOCK is missing`
  }

  /** Takes the slab out of the table again, if its ring is still open. */
  unregister(): void {
    const ring = this.#ring
    const first = this.#first
    this.#ring = undefined
    this.#first = -1
    this.#registration = undefined
    if (!ring?.isOpen) return
    const places = this.#pieces.length
    if (first === 0 && ring.buffers.length === places) ring.unregisterBuffers()
    else ring.updateBuffers(first, new Array(places).fill(null))
  }
}

/** The first of so many empty places in a row; 0 for a table that has not been made; -1 where there are none. */
function freePlaces(buffers: readonly (ArrayBufferView | null)[], count: number): number {
  if (buffers.length === 0) return 0
  for (let start = 0; start + count <= buffers.length; start++) {
    if (buffers.slice(start, start + count).every(buffer => buffer === null)) return start
  }
  return -1
}
