import type { Engine, OperationOptions, Usage } from '../engine/index.js'
import {
  checkObject,
  encodeSocketAddress,
  errnoOf,
  invalidArgType,
  iovecs,
  messageHeader,
  segmentControl,
} from '../kernel/index.js'
import { prepareSend, prepareSendmsg, prepareSendTo } from '../ring/index.js'
import { Datagram } from './datagram.js'

/** Where a datagram goes: a numeric address, a Unix socket's path, or back to where another came from. */
export type DatagramAddress =
  | { readonly address: string; readonly port: number }
  | { readonly path: string }
  | Datagram

/** One datagram of a batch. */
export interface OutgoingDatagram {
  readonly bytes: Uint8Array
  /** Needed unless the socket is connected. */
  readonly to?: DatagramAddress | undefined
}

/** Datagrams that the kernel cuts from one send at most, and their bytes. */
const MAX_SEGMENTS = 64
const MAX_SEGMENTED_BYTES = 65000
/** What the path to the peer cannot do: the datagrams are sent one by one. */
const NOT_SEGMENTED = new Set(
  ['EINVAL', 'EMSGSIZE', 'EIO', 'EOPNOTSUPP', 'ENOPROTOOPT'].map(name => -errnoOf(name)),
)
/** Of those, what will not change with the next batch. */
const NEVER_SEGMENTED = new Set(['EIO', 'EOPNOTSUPP', 'ENOPROTOOPT'].map(name => -errnoOf(name)))

interface Encoded {
  readonly bytes: Uint8Array
  readonly name: Uint8Array | undefined
}

/** The outgoing half of a datagram socket. What is asked for in one turn goes to the kernel in one call. */
export class DatagramSender {
  /** Operations under way: the descriptor is closed after them. */
  readonly usage: Usage = { inFlight: 0, idle: undefined }
  /** What sends that were cancelled reject with. */
  cancelled: Error | undefined
  readonly #engine: Engine
  readonly #fd: number
  #segments: boolean

  /** @param segments whether the kernel may be asked to cut datagrams from a larger send: UDP alone */
  constructor(engine: Engine, fd: number, segments: boolean) {
    this.#engine = engine
    this.#fd = fd
    this.#segments = segments
  }

  /** Sends one. */
  async send(bytes: Uint8Array, to: DatagramAddress | undefined): Promise<void> {
    const encoded = { bytes, name: nameOf(to) }
    try {
      await this.#send(encoded)
    } catch (error) {
      throw this.cancelled ?? error
    }
  }

  #send({ bytes, name }: Encoded): Promise<number> {
    const options = this.#options([bytes], name)
    if (name === undefined) {
      return this.#engine.run((queue, userData) => prepareSend(queue, this.#fd, bytes, 0, userData), options)
    }
    return this.#engine.run(
      (queue, userData) => prepareSendTo(queue, this.#fd, bytes, 0, name, userData),
      options,
    )
  }

  #options(buffers: readonly Uint8Array[], held: unknown): OperationOptions {
    return { syscall: 'sendmsg', buffers, held, usage: this.usage, moves: true }
  }

  /** Sends many. @throws what the first to fail failed with, when all have settled */
  async sendBatch(datagrams: readonly OutgoingDatagram[]): Promise<void> {
    let lastTo: DatagramAddress | undefined
    let name: Uint8Array | undefined
    const encoded = datagrams.map((datagram, index) => {
      checkObject(datagram, `datagrams[${index}]`)
      const { bytes, to } = datagram
      if (!(bytes instanceof Uint8Array)) {
        throw invalidArgType(`datagrams[${index}].bytes`, 'an instance of Uint8Array', bytes)
      }
      if (to !== lastTo) name = nameOf(to)
      lastTo = to
      return { bytes, name }
    })
    const sends: Promise<unknown>[] = []
    for (let at = 0; at < encoded.length; ) {
      const count = this.#segments ? alike(encoded, at) : 1
      sends.push(count > 1 ? this.#sendAlike(encoded.slice(at, at + count)) : this.#send(encoded[at]))
      at += count
    }
    const failed = (await Promise.allSettled(sends)).find(({ status }) => status === 'rejected')
    if (failed !== undefined) throw this.cancelled ?? (failed as PromiseRejectedResult).reason
  }

  /** Datagrams of one size to one peer: one send, which the kernel or the device cuts. */
  async #sendAlike(encoded: readonly Encoded[]): Promise<void> {
    const buffers = encoded.map(({ bytes }) => bytes)
    const [{ bytes, name }] = encoded
    const [vectors, control] = [iovecs(buffers), segmentControl(bytes.length)]
    const header = messageHeader(name === undefined ? { vectors, control } : { vectors, control, name })
    const options = this.#options(buffers, [header, vectors, control, name])
    try {
      await this.#engine.run(
        (queue, userData) => prepareSendmsg(queue, this.#fd, header, 0, userData),
        options,
      )
    } catch (error) {
      const { errno = 0 } = error as NodeJS.ErrnoException
      if (!NOT_SEGMENTED.has(errno)) throw error
      if (NEVER_SEGMENTED.has(errno)) this.#segments = false
      await Promise.all(encoded.map(each => this.#send(each)))
    }
  }
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE` */
function nameOf(to: DatagramAddress | undefined): Uint8Array | undefined {
  if (to === undefined || to instanceof Datagram) return to?.name
  checkObject(to, 'to')
  return encodeSocketAddress(to)
}

/** How many from a place on can go together: of one size to one peer, where only the last may be shorter. */
function alike(encoded: readonly Encoded[], from: number): number {
  const { bytes, name } = encoded[from]
  let count = 1
  let total = bytes.length
  for (; from + count < encoded.length && count < MAX_SEGMENTS; count++) {
    const next = encoded[from + count]
    if (next.name !== name || next.bytes.length > bytes.length || next.bytes.length === 0) break
    total += next.bytes.length
    if (total > MAX_SEGMENTED_BYTES) break
    if (next.bytes.length < bytes.length) return count + 1
  }
  return count
}
