import { closeSync, openSync } from 'node:fs'
import { errnoName } from '../errors.js'
import { O } from '../fcntl.js'
import { FILE_IOCTL, PM_SCAN_ARG } from '../ioctl.js'
import { syscall } from '../syscall.js'
import {
  UFFD_API,
  UFFD_FEATURE,
  UFFD_FEATURE_SINCE,
  UFFD_IOCTL,
  UFFD_USER_MODE_ONLY,
  UFFDIO_API_LAYOUT,
} from '../userfaultfd.js'
import type { Offer } from './io-uring.js'
import { sysctl } from './procfs.js'

/** Whether a way works: `ok`, or the name of the error that it meets. */
export type Way = 'ok' | string

/** What userfaultfd(2) offers to this process. */
export interface UserfaultfdFacts {
  /** Through /dev/userfaultfd, whose permissions decide; also faults in kernel mode. Kernel 6.1. */
  device: Way
  /** Through the system call, also for faults in kernel mode: a read(2) into the memory. */
  systemCall: Way
  /** For faults in user mode only: a system call that meets a missing page fails with EFAULT. Kernel 5.11. */
  userModeOnly: Way
  /** The way that Sluice takes, the first that works; null where none does. */
  mode: 'device' | 'system-call' | 'user-mode-only' | null
  /** `vm.unprivileged_userfaultfd`; null where there is no such setting. */
  unprivileged: number | null
  features: Offer[]
  /** PAGEMAP_SCAN finds the pages written since. Kernel 6.7. */
  pagemapScan: Way
}

const FLAGS = O.CLOEXEC | O.NONBLOCK

function byDevice(): number {
  const device = syscall('openat', -100, new TextEncoder().encode('/dev/userfaultfd\0'), O.RDWR | O.CLOEXEC)
  if (device < 0) return device
  const fd = syscall('ioctl', device, UFFD_IOCTL.NEW, FLAGS)
  syscall('close', device)
  return fd
}

function features(fd: number): Offer[] {
  const api = new BigUint64Array(new ArrayBuffer(UFFDIO_API_LAYOUT.SIZE))
  api[0] = BigInt(UFFD_API)
  const result = fd < 0 ? fd : syscall('ioctl', fd, UFFD_IOCTL.API, api)
  if (result < 0) return []
  const bits = Number(api[UFFDIO_API_LAYOUT.FEATURES / 8])
  const names = Object.keys(UFFD_FEATURE) as (keyof typeof UFFD_FEATURE)[]
  return names.map(name => ({
    name,
    since: UFFD_FEATURE_SINCE[name],
    supported: (bits & UFFD_FEATURE[name]) !== 0,
  }))
}

function way(result: number): Way {
  return result >= 0 ? 'ok' : errnoName(result)
}

/** An empty range: a kernel that knows the request has nothing to find. */
function pagemapScan(): Way {
  let fd: number
  try {
    fd = openSync('/proc/self/pagemap', 'r')
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO'
  }
  const argument = new BigUint64Array(new ArrayBuffer(PM_SCAN_ARG.SIZE))
  argument[PM_SCAN_ARG.SIZE_FIELD / 8] = BigInt(PM_SCAN_ARG.SIZE)
  const result = syscall('ioctl', fd, FILE_IOCTL.PAGEMAP_SCAN, argument)
  closeSync(fd)
  return way(result)
}

/** Tries every way to a userfaultfd, and asks the best what it can do. */
export function probeUserfaultfd(): UserfaultfdFacts {
  const tries = [
    byDevice(),
    syscall('userfaultfd', FLAGS),
    syscall('userfaultfd', FLAGS | UFFD_USER_MODE_ONLY),
  ] as const
  const modes = ['device', 'system-call', 'user-mode-only'] as const
  const best = tries.findIndex(fd => fd >= 0)
  const offered = features(tries[best] ?? -1)
  for (const fd of tries) if (fd >= 0) syscall('close', fd)
  return {
    device: way(tries[0]),
    systemCall: way(tries[1]),
    userModeOnly: way(tries[2]),
    mode: modes[best] ?? null,
    unprivileged: sysctl('vm.unprivileged_userfaultfd') ?? null,
    features: offered,
    pagemapScan: pagemapScan(),
  }
}
