import type { Connection } from '../net/index.js'
import { isSilent, type ServedConnection } from './served-connection.js'
import type { ServerSettings } from './server-options.js'

/** How often the connections' time limits are looked at, in milliseconds: a limit is kept to twice as much. */
const SWEEP_MS = 500
/** How long a client that was told to go may take to go, unless it would have had less to send a head. */
const LINGER_MS = 5000

/** How long a connection must have been silent to have to go for others, and which part of all goes at once. */
const SILENT_MS = 1000
const ROOM = 1 / 16

/** How far a connection was when its time limits were last looked at. */
interface Watched {
  beat: number
  /** When it was first seen there, in milliseconds of `performance.now()`. */
  since: number
  /** Bytes that its client had by then. */
  sent: number
  /** Bytes that its client had when it was last looked at, and since when it has been that many. */
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
        watched.moved = now
        if (served.phase !== 'send' && served.phase !== 'linger') continue
        watched.sent = taken(served.connection)
        watched.last = watched.sent
      } else if (this.#isLate(served, watched, now)) {
        if (!watched.expired) this.#dropped()
        if (watched.expired || !served.expire()) void served.connection.reset()
        watched.expired = true
      }
    }
    if (this.#open.size >= this.#settings.maxConnections) this.#makeRoom(now)
  }

  /** No further connection is taken until one goes: those over which nothing has come for longest. */
  #makeRoom(now: number): void {
    const silent = [...this.#open].filter(
      ([served, { expired, since }]) => !expired && isSilent(served.phase) && now - since >= SILENT_MS,
    )
    silent.sort(([, a], [, b]) => a.since - b.since)
    for (const [served, watched] of silent.slice(0, Math.ceil(this.#open.size * ROOM))) {
      watched.expired = true
      served.expire()
    }
  }

  #isLate(served: ServedConnection, watched: Watched, now: number): boolean {
    const { headTimeout, bodyTimeout, idleTimeout } = this.#settings
    const waited = now - watched.since
    switch (served.phase) {
      case 'idle':
        return waited > idleTimeout
      case 'fresh':
      case 'head':
        return waited > headTimeout
      case 'body':
        return waited > bodyTimeout
      case 'linger':
        return this.#lingers(served, watched, now)
      default:
        return this.#isSlow(served, watched, now)
    }
  }

  /** A client goes once it has everything: until then it is one that is being sent to. */
  #lingers(served: ServedConnection, watched: Watched, now: number): boolean {
    const { connection } = served
    if (connection.bytesUnacknowledged > 0) return this.#isSlow(served, watched, now)
    this.#hasMoved(connection, watched, now)
    return now - watched.moved > Math.min(this.#settings.headTimeout, LINGER_MS)
  }

  /** Whether a client has taken anything since it was last looked at. */
  #hasMoved(connection: Connection, watched: Watched, now: number): boolean {
    const has = taken(connection)
    if (has === watched.last) return false
    watched.last = has
    watched.moved = now
    return true
  }

  #isSlow({ connection, hasWindows }: ServedConnection, watched: Watched, now: number): boolean {
    const { minRate, rateWindow, sendTimeout } = this.#settings
    const moved = this.#hasMoved(connection, watched, now)
    const has = watched.last
    if (!hasWindows && connection.bytesUnacknowledged === 0 && connection.writableLength === 0) {
      // There is nothing that it could take: it is we who are slow.
      watched.moved = now
      watched.since = now
      watched.sent = has
      return false
    }
    if (!moved && now - watched.moved > sendTimeout) return true
    const elapsed = now - watched.since
    if (elapsed < rateWindow) return false
    const slow = has - watched.sent < (minRate * elapsed) / 1000
    watched.since = now
    watched.sent = has
    return slow
  }
}

/**
 * Bytes that a client has: what the kernel holds for it may be megabytes, takes a slow one minutes, and until a third of
 * it has gone the kernel takes no more.
 */
function taken(connection: Connection): number {
  return connection.bytesWritten - connection.bytesUnacknowledged
}
