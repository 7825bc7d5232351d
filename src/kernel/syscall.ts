import { type SyscallArgument, native } from './native.js'

/** Numbers from the kernel's syscall_64.tbl and asm-generic/unistd.h. */
const X64 = {
  read: 0, write: 1, close: 3, fstat: 5, lseek: 8, mprotect: 10, ioctl: 16, pread64: 17,
  pwrite64: 18, readv: 19, writev: 20, mremap: 25, msync: 26, mincore: 27, madvise: 28, getpid: 39, sendfile: 40, socket: 41,
  connect: 42, sendto: 44, recvfrom: 45, sendmsg: 46, recvmsg: 47, shutdown: 48, bind: 49, listen: 50,
  getsockname: 51, getpeername: 52, socketpair: 53, setsockopt: 54, getsockopt: 55, kill: 62, fcntl: 72, flock: 73, fsync: 74,
  fdatasync: 75, ftruncate: 77, getdents64: 217, fchmod: 91, fchown: 93, getrlimit: 97, getrusage: 98, statfs: 137, fstatfs: 138, mlock: 149,
  munlock: 150, prctl: 157, gettid: 186, readahead: 187, setxattr: 188, lsetxattr: 189, fsetxattr: 190, getxattr: 191, lgetxattr: 192,
  fgetxattr: 193, listxattr: 194, llistxattr: 195, flistxattr: 196, removexattr: 197, lremovexattr: 198, fremovexattr: 199,
  futex: 202, sched_setaffinity: 203, epoll_ctl: 233, fadvise64: 221, openat: 257, mkdirat: 258, fchownat: 260,
  unlinkat: 263, renameat: 264, linkat: 265, symlinkat: 266, readlinkat: 267, fchmodat: 268, faccessat: 269, splice: 275, tee: 276,
  sync_file_range: 277, vmsplice: 278, utimensat: 280, epoll_pwait: 281, fallocate: 285, accept4: 288, eventfd2: 290,
  epoll_create1: 291, pipe2: 293, preadv: 295, pwritev: 296, perf_event_open: 298, recvmmsg: 299, fanotify_init: 300, prlimit64: 302, sendmmsg: 307,
  process_vm_readv: 310, process_vm_writev: 311, renameat2: 316, seccomp: 317, memfd_create: 319, userfaultfd: 323, membarrier: 324,
  mlock2: 325, copy_file_range: 326, preadv2: 327, pwritev2: 328, statx: 332, pidfd_send_signal: 424, io_uring_setup: 425,
  io_uring_enter: 426, io_uring_register: 427, pidfd_open: 434, close_range: 436, openat2: 437, faccessat2: 439, cachestat: 451,
  timerfd_create: 283, timerfd_settime: 286, inotify_init1: 294, inotify_add_watch: 254, inotify_rm_watch: 255, waitid: 247, tgkill: 234,
  munmap: 11, mmap: 9, syncfs: 306, clone3: 435, sched_yield: 24, getuid: 102, geteuid: 107, sched_getaffinity: 204, uname: 63, dup: 32, dup3: 292, ppoll: 271, capget: 125, bpf: 321,
} as const

/** The name of a system call that Sluice uses. */
export type SyscallName = keyof typeof X64

const ARM64: Record<SyscallName, number> = {
  read: 63, write: 64, close: 57, fstat: 80, lseek: 62, mprotect: 226, ioctl: 29, pread64: 67,
  pwrite64: 68, readv: 65, writev: 66, mremap: 216, msync: 227, mincore: 232, madvise: 233, getpid: 172, sendfile: 71, socket: 198,
  connect: 203, sendto: 206, recvfrom: 207, sendmsg: 211, recvmsg: 212, shutdown: 210, bind: 200, listen: 201,
  getsockname: 204, getpeername: 205, socketpair: 199, setsockopt: 208, getsockopt: 209, kill: 129, fcntl: 25, flock: 32, fsync: 82,
  fdatasync: 83, ftruncate: 46, getdents64: 61, fchmod: 52, fchown: 55, getrlimit: 163, getrusage: 165, statfs: 43, fstatfs: 44, mlock: 228,
  munlock: 229, prctl: 167, gettid: 178, readahead: 213, setxattr: 5, lsetxattr: 6, fsetxattr: 7, getxattr: 8, lgetxattr: 9,
  fgetxattr: 10, listxattr: 11, llistxattr: 12, flistxattr: 13, removexattr: 14, lremovexattr: 15, fremovexattr: 16,
  futex: 98, sched_setaffinity: 122, epoll_ctl: 21, fadvise64: 223, openat: 56, mkdirat: 34, fchownat: 54,
  unlinkat: 35, renameat: 38, linkat: 37, symlinkat: 36, readlinkat: 78, fchmodat: 53, faccessat: 48, splice: 76, tee: 77,
  sync_file_range: 84, vmsplice: 75, utimensat: 88, epoll_pwait: 22, fallocate: 47, accept4: 242, eventfd2: 19,
  epoll_create1: 20, pipe2: 59, preadv: 69, pwritev: 70, perf_event_open: 241, recvmmsg: 243, fanotify_init: 262, prlimit64: 261, sendmmsg: 269,
  process_vm_readv: 270, process_vm_writev: 271, renameat2: 276, seccomp: 277, memfd_create: 279, userfaultfd: 282, membarrier: 283,
  mlock2: 284, copy_file_range: 285, preadv2: 286, pwritev2: 287, statx: 291, pidfd_send_signal: 424, io_uring_setup: 425,
  io_uring_enter: 426, io_uring_register: 427, pidfd_open: 434, close_range: 436, openat2: 437, faccessat2: 439, cachestat: 451,
  timerfd_create: 85, timerfd_settime: 86, inotify_init1: 26, inotify_add_watch: 27, inotify_rm_watch: 28, waitid: 95, tgkill: 131,
  munmap: 215, mmap: 222, syncfs: 267, clone3: 435, sched_yield: 124, getuid: 174, geteuid: 175, sched_getaffinity: 123, uname: 160, dup: 23, dup3: 24, ppoll: 73, capget: 90, bpf: 280,
}

/** System calls by name on this architecture. */
export const SYSCALL: Readonly<Record<SyscallName, number>> = process.arch === 'arm64' ? ARM64 : X64

/**
 * A raw system call on the calling thread.
 *
 * Memory is passed as an ArrayBuffer or a view and must not be resized meanwhile; missing arguments are 0.
 *
 * @returns what the kernel returned, or -errno
 */
export function syscall(name: SyscallName, ...args: SyscallArgument[]): number {
  return native().syscall(SYSCALL[name], ...args)
}

/** A view on a detached ArrayBuffer cannot be made: V8 throws the error that fits. */
function refuseDetached(buffer: ArrayBufferView | ArrayBufferLike): void {
  void new Uint8Array(ArrayBuffer.isView(buffer) ? buffer.buffer : buffer)
}

/**
 * The address of a buffer's first byte. It stays right as long as the ArrayBuffer is neither collected nor
 * detached. A small typed array is moved off V8's heap by asking. An empty one may have address 0.
 *
 * @throws `TypeError` for a detached buffer
 */
export function addressOf(buffer: ArrayBufferView | ArrayBufferLike): number {
  const address = native().addressOf(buffer)
  if (address === 0) refuseDetached(buffer)
  return address
}
