import { systemError } from './errors.js'
import { type NativeHandle, native } from './native.js'
import { SYSCALL, syscall } from './syscall.js'

/**
 * A piece of a file in memory, for the kernel alone to read: only its address is known here. It is unmapped when its thread
 * ends, if not before. Other threads' calls that still use the address then fail with EFAULT.
 */
export class OwnedMapping {
  readonly address: number
  readonly #handle: NativeHandle

  /**
   * @param length in bytes
   * @param protection of `PROT`
   * @param flags of `MAP`
   * @param offset in bytes, a multiple of a page
   * @throws the system error of mmap(2)
   */
  constructor(length: number, protection: number, flags: number, fd: number, offset: number) {
    const address = syscall('mmap', 0, length, protection, flags, fd, offset)
    if (address < 0) throw systemError(address, 'mmap')
    const handle = native().own(address, SYSCALL.munmap, length)
    if (typeof handle === 'number') {
      syscall('munmap', address, length)
      throw systemError(handle, 'mmap')
    }
    this.address = address
    this.#handle = handle
  }

  /** Unmaps it now, when nobody uses the address any more. Idempotent. */
  close(): void {
    native().disown(this.#handle)
  }
}
