import type { Connection } from '../net/index.js'
import type { ServedConnection } from './served-connection.js'
import type { ServerSettings } from './server-options.js'

/** How often the connections' time limits are looked at, in milliseconds: a limit is kept to twice as much. */
const SWEEP_MS = 500
/** How long a client that was told to go may take to go, unless it would have had less to send a head. */
const LINGER_MS = 5000

/** How far a connection was when its time limits were last looked at. */
interface Watched {
  beat: number
  /** When it was first seen there, in milliseconds of `performance.now()`. */
  since: number
  /** Bytes that had been sent by then. */
  sent: number
  /** Bytes that had been sent when it was last looked at, and since when it has been that many. */
  last: number
  moved: number
  /** Its time was up once: it is counted, and the next time it is reset. */
  expired: boolean
}

/** The connections of a server that are open, and the clock that they are measured by. */
export class ConnectionWatch {
  readonly #open = new Map<ServedConnection, Watched>()
  readonly #settings: ServerSettings
  readonly #dropped: () => void
  readonly #timer: NodeJS.Timeout

  /** @param dropped told of each connection that took too long */
  constructor(settings: ServerSettings, dropped: () => void) {
    this.#settings = settings
    this.#dropped = dropped
    this.#timer = setInterval(() => this.#sweep(performance.now()), SWEEP_MS).unref()
  }

  /** How many there are. */
  get size(): number {
    return this.#open.size
  }

  add(served: ServedConnection): void {
    const now = performance.now()
    this.#open.set(served, { beat: served.beat, since: now, sent: 0, last: 0, moved: now, expired: false })
  }

  delete(served: ServedConnection): void {
    this.#open.delete(served)
  }

  /** Has each end once what is under way is answered. */
  finish(): void {
    for (const served of this.#open.keys()) served.finish()
  }

  /** Watches no more. */
  stop(): void {
    clearInterval(this.#timer)
  }

  #sweep(now: number): void {
    for (const [served, watched] of this.#open) {
      if (served.beat !== watched.beat) {
        watched.beat = served.beat
        watched.since = now
        watched.sent = served.connection.bytesWritten
        watched.last = watched.sent
        watched.moved = now
      } else if (this.#isLate(served, watched, now)) {
        if (!watched.expired) this.#dropped()
        if (watched.expired || !served.expire()) void served.connection.reset()
        watched.expired = true
      }
    }
  }

  #isLate(served: ServedConnection, watched: Watched, now: number): boolean {
    const { headTimeout, bodyTimeout, idleTimeout } = this.#settings
    const waited = now - watched.since
    switch (served.phase) {
      case 'idle':
        return waited > idleTimeout
      case 'head':
        return waited > headTimeout
      case 'body':
        return waited > bodyTimeout
      case 'linger':
        return waited > Math.min(headTimeout, LINGER_MS)
      default:
        return this.#isSlow(served.connection, watched, now)
    }
  }

  #isSlow({ bytesWritten }: Connection, watched: Watched, now: number): boolean {
    const { minRate, rateWindow, sendTimeout } = this.#settings
    if (bytesWritten !== watched.last) {
      watched.last = bytesWritten
      watched.moved = now
    } else if (now - watched.moved > sendTimeout) return true
    const elapsed = now - watched.since
    if (elapsed < rateWindow) return false
    const slow = bytesWritten - watched.sent < (minRate * elapsed) / 1000
    watched.since = now
    watched.sent = bytesWritten
    return slow
  }
}
