import { syscall } from './syscall.js'

/** The kernel's `struct statfs` on 64-bit systems, in bytes; the type stands first. */
const STATFS_BYTES = 120

/** The magic number of the file system that an open file is on, or -errno. @see fstatfs(2) */
export function fileSystemType(fd: number): number {
  const answer = new Uint32Array(new ArrayBuffer(STATFS_BYTES))
  const result = syscall('fstatfs', fd, answer)
  return result < 0 ? result : answer[0]
}
