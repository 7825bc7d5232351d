import { systemError } from './errors.js'
import { type NativeHandle, native } from './native.js'

/** What a watcher waits for; it can be combined. @see uv_poll_start() */
export const WATCH = { READABLE: 1, WRITABLE: 2, DISCONNECT: 4, PRIORITIZED: 8 } as const

/**
 * A descriptor on this thread's event loop. The callback runs while the descriptor is ready (level-triggered),
 * followed by its microtasks, as any callback of Node's. Where it returns `true`, it is called again behind those, with no
 * events, up to 15 times: that is much cheaper than a tick, or a turn of the loop. Where a tick has thrown it is called
 * again whatever it returned.
 *
 * It neither keeps the process alive, until `ref()`, nor owns the descriptor.
 */
export class FdWatcher {
  readonly #handle: NativeHandle
  #referenced = false
  #closed = false

  /** @throws the system error where the descriptor cannot be polled (a regular file: `EPERM`) */
  constructor(fd: number, callback: (events: number) => unknown) {
    const handle = native().watch(fd, callback)
    if (typeof handle === 'number') throw systemError(handle, 'epoll_ctl')
    this.#handle = handle
  }

  /** One that watches already. @throws as the constructor and `start()` do, and leaves nothing behind */
  static started(fd: number, callback: (events: number) => unknown): FdWatcher {
    const watcher = new FdWatcher(fd, callback)
    try {
      watcher.start()
    } catch (error) {
      watcher.close()
      throw error
    }
    return watcher
  }

  /** Starts watching, or changes what is watched for. @param events of {@link WATCH} */
  start(events: number = WATCH.READABLE): void {
    if (this.#closed) return
    const result = native().watchStart(this.#handle, events)
    if (result < 0) throw systemError(result, 'epoll_ctl')
  }

  /** Stops watching; `start()` resumes. */
  stop(): void {
    if (!this.#closed) native().watchStop(this.#handle)
  }

  /** Keeps the process alive while it watches. */
  ref(): void {
    if (this.#referenced || this.#closed) return
    this.#referenced = true
    native().watchRef(this.#handle)
  }

  /** Lets the process end although it watches. */
  unref(): void {
    if (!this.#referenced || this.#closed) return
    this.#referenced = false
    native().watchUnref(this.#handle)
  }

  /** Ends it for good. The descriptor may be closed afterwards. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    native().watchClose(this.#handle)
  }
}
