/** Looks at each watched thing in the time that it may take. */
const LOOKS = 8

/** Something that must make progress within a time. */
export interface Watched {
  /** Changes with every progress; undefined while no progress is due. */
  beat(): number | undefined
  /** It has made none for the whole time. */
  expired(): void
}

interface Watch {
  beat: number | undefined
  looks: number
}

/**
 * What has the same time-out: one timer looks at all of it, eight times in that time. So progress costs nothing but
 * the counting that is done anyway, where a linked time-out of io_uring would cost an entry and a completion each
 * time, and cannot go with a multishot receive. An expiry comes up to an eighth of the time late, never early.
 */
class Deadline {
  readonly #watched = new Map<Watched, Watch>()
  readonly #look = () => this.#lookAtAll()
  readonly #milliseconds: number
  #timer: NodeJS.Timeout | undefined

  constructor(milliseconds: number) {
    this.#milliseconds = milliseconds
  }

  add(watched: Watched): void {
    this.#watched.set(watched, { beat: undefined, looks: 0 })
    this.#timer ??= setInterval(this.#look, Math.ceil(this.#milliseconds / LOOKS)).unref()
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched)
    if (this.#watched.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    if (deadlines.get(this.#milliseconds) === this) deadlines.delete(this.#milliseconds)
  }

  #lookAtAll(): void {
    for (const [watched, watch] of this.#watched) {
      const beat = watched.beat()
      if (beat === undefined || beat !== watch.beat) {
        watch.beat = beat
        watch.looks = 0
      } else if (++watch.looks >= LOOKS) {
        this.delete(watched)
        watched.expired()
      }
    }
  }
}

/** By time-out in milliseconds. */
const deadlines = new Map<number, Deadline>()

/** Watches something from now on. It does not keep the process alive. */
export function watchProgress(watched: Watched, milliseconds: number): void {
  let deadline = deadlines.get(milliseconds)
  if (deadline === undefined) {
    deadline = new Deadline(milliseconds)
    deadlines.set(milliseconds, deadline)
  }
  deadline.add(watched)
}

/** Watches it no more. */
export function unwatchProgress(watched: Watched, milliseconds: number): void {
  deadlines.get(milliseconds)?.delete(watched)
}
