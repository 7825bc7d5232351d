import { systemError } from './errors.js'
import { type NativeHandle, native } from './native.js'
import { SYSCALL, syscall } from './syscall.js'

/**
 * A descriptor of our own making that is closed when its thread ends, if not before: a worker that is terminated
 * leaves none behind. What is owned first is closed last.
 */
export class OwnedDescriptor {
  /** The descriptor. */
  readonly fd: number
  readonly #handle: NativeHandle

  /**
   * @param fd what the system call returned that made it
   * @param name of that call
   * @throws the system error where it failed
   */
  constructor(fd: number, name: string) {
    if (fd < 0) throw systemError(fd, name)
    const handle = native().own(fd, SYSCALL.close, 0)
    if (typeof handle === 'number') {
      syscall('close', fd)
      throw systemError(handle, name)
    }
    this.fd = fd
    this.#handle = handle
  }

  /** Closes it now. Idempotent. */
  close(): void {
    native().disown(this.#handle)
  }
}
