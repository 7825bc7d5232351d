import { errnoOf, F, FdWatcher, OwnedDescriptor, syscall } from '../kernel/index.js'

const EEXIST = -errnoOf('EEXIST')

/** A descriptor that does not block and can be waited for. */
export interface Watchable {
  readonly fd: number
  /** It stays open for as long as it is watched, whatever others do. */
  readonly held: boolean
}

/**
 * One end of a transfer on the event loop itself, for as long as the transfer lasts: as cheap as a wait can be, since the
 * loop's own epoll calls back, without an operation of the engine in between.
 *
 * It watches a duplicate of the descriptor where that could be closed under it, or is on the loop already.
 */
export class ReadyWatch {
  readonly #watcher: FdWatcher
  /** The duplicate, if there is one. */
  readonly #own: OwnedDescriptor | undefined
  #events = 0

  private constructor(watcher: FdWatcher, own?: OwnedDescriptor) {
    this.#watcher = watcher
    this.#own = own
  }

  /**
   * @param callback called while the descriptor is ready and the watch armed; with less than 0 where it has failed
   * @returns undefined where it cannot be watched: descriptors are exhausted, or it is of a kind that epoll refuses
   */
  static open({ fd, held }: Watchable, callback: (events: number) => void): ReadyWatch | undefined {
    const direct = held ? watcher(fd, callback) : EEXIST
    if (typeof direct === 'object') return new ReadyWatch(direct)
    if (direct !== EEXIST) return undefined
    const copy = syscall('fcntl', fd, F.DUPFD_CLOEXEC, 0)
    if (copy < 0) return undefined
    const own = new OwnedDescriptor(copy, 'fcntl')
    const made = watcher(copy, callback)
    if (typeof made === 'object') return new ReadyWatch(made, own)
    own.close()
    return undefined
  }

  /** Calls back from now on while the descriptor is ready, and keeps the process alive. @param events of `WATCH` */
  arm(events: number): void {
    if (this.#events === events) return
    this.#watcher.start(events)
    this.#watcher.ref()
    this.#events = events
  }

  /** The descriptor has failed, and libuv has stopped watching it. */
  stopped(): void {
    this.#events = 0
  }

  /** Calls back no more. */
  disarm(): void {
    if (this.#events === 0) return
    this.#events = 0
    this.#watcher.stop()
    this.#watcher.unref()
  }

  /** Ends it. */
  close(): void {
    this.#watcher.close()
    this.#own?.close()
  }
}

/** @returns the watcher, or -errno */
function watcher(fd: number, callback: (events: number) => void): FdWatcher | number {
  try {
    return new FdWatcher(fd, callback)
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException
    if (errno === undefined) throw error
    return errno
  }
}
