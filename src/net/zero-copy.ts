import type { Engine } from '../engine/index.js'
import { errnoOf, IORING_OP, MSG } from '../kernel/index.js'
import { prepareSendZcFixedAt } from '../ring/index.js'
import { isLocal } from './local-peer.js'
import type { Segment } from './segment.js'

const ECANCELED = -errnoOf('ECANCELED')
const EAGAIN = -errnoOf('EAGAIN')
/** This socket, or this kernel, cannot do it, or has no memory to keep an account of it: a plain send will do. */
const NOT_OFFERED = new Set(
  ['EOPNOTSUPP', 'EINVAL', 'ENOMEM', 'ENOBUFS', 'EPERM', 'EACCES'].map(name => -errnoOf(name)),
)
const FLAGS = MSG.NOSIGNAL | MSG.WAITALL

/** Sends of one connection that leave the bytes where they are. */
export class ZeroCopy {
  readonly #engine: Engine
  readonly #fd: number
  #wanted: boolean
  #underWay: AbortController | undefined

  constructor(engine: Engine, fd: number, choice: 'auto' | 'always' | 'never') {
    this.#engine = engine
    this.#fd = fd
    const offered = choice !== 'never' && engine.buffers !== undefined && engine.supports(IORING_OP.SEND_ZC)
    // To this machine the kernel copies all the same, and later.
    this.#wanted = offered && (choice === 'always' || !isLocal(fd))
  }

  /**
   * Sends a segment, if its memory is registered. The next may follow as soon as this one has been sent; its memory is
   * let go when the peer has it, which is later.
   *
   * @param sent told of the result: bytes, or -errno; -EAGAIN where it has to be sent as any other, as all from now on
   * @returns false where it is to be sent as any other
   */
  send(segment: Segment, sent: (result: number) => void): boolean {
    const bytes = segment.held
    const index = this.#wanted && bytes !== undefined ? this.#indexOf(bytes) : -1
    if (bytes === undefined || index < 0) return false
    const { address, length } = segment
    const underWay = new AbortController()
    this.#underWay = underWay
    segment.hold()
    let held = true
    const letGo = () => {
      if (held) segment.letGo()
      held = false
    }
    const usage = { inFlight: 0, idle: letGo }
    const operation = this.#engine.run(
      (queue, userData) => prepareSendZcFixedAt(queue, this.#fd, address, length, index, FLAGS, 0, userData),
      {
        syscall: 'send',
        held: bytes,
        buffers: [bytes],
        signal: underWay.signal,
        usage,
      },
    )
    operation
      .catch(error => {
        // Refused before it began.
        if (usage.inFlight === 0) letGo()
        return (error as NodeJS.ErrnoException).errno ?? ECANCELED
      })
      .then(result => {
        this.#underWay = undefined
        if (NOT_OFFERED.has(result)) this.#wanted = false
        sent(NOT_OFFERED.has(result) ? EAGAIN : result)
      })
    return true
  }

  /** Which of the ring's buffers holds all of the bytes; -1 if none does. */
  #indexOf(bytes: Uint8Array): number {
    const table = this.#engine.buffers?.buffers ?? []
    for (let index = 0; index < table.length; index++) {
      const registered = table[index]
      if (registered?.buffer !== bytes.buffer) continue
      const from = bytes.byteOffset - registered.byteOffset
      if (from >= 0 && from + bytes.byteLength <= registered.byteLength) return index
    }
    return -1
  }

  /** Ends what is on its way. */
  cancel(): void {
    this.#underWay?.abort()
  }
}
