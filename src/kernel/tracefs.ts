import { closeSync, openSync, readFileSync } from 'node:fs'
import { pathBytes } from './path-bytes.js'
import { syscall } from './syscall.js'

/** Where distributions mount tracefs, the newer place first. */
const MOUNTS = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing']

const FSOPEN_CLOEXEC = 1
const FSMOUNT_CLOEXEC = 1
const FSCONFIG_CMD_CREATE = 6

/**
 * Mounts tracefs for this process alone: the mount is attached nowhere, so nobody else sees it, and it ends when the
 * descriptor is closed. Linux 5.2, CAP_SYS_ADMIN.
 *
 * @returns the descriptor of its root directory, or -errno
 * @see fsmount(2)
 */
function mountDetached(): number {
  const context = syscall('fsopen', pathBytes('tracefs'), FSOPEN_CLOEXEC)
  if (context < 0) return context
  const created = syscall('fsconfig', context, FSCONFIG_CMD_CREATE, 0, 0, 0)
  const mount = created < 0 ? created : syscall('fsmount', context, FSMOUNT_CLOEXEC, 0)
  syscall('close', context)
  return mount
}

function readNumber(folder: string, event: string): number {
  const descriptor = openSync(`${folder}/events/${event}/id`, 'r')
  try {
    return Number(readFileSync(descriptor, 'utf8'))
  } finally {
    closeSync(descriptor)
  }
}

/**
 * The number by which perf_event_open(2) knows a tracepoint. It differs from kernel to kernel.
 *
 * @param event such as `raw_syscalls/sys_enter`
 * @returns undefined where there is no such tracepoint, or no right to look
 */
export function tracepointNumber(event: string): number | undefined {
  for (const folder of MOUNTS) {
    try {
      return readNumber(folder, event)
    } catch {
      // Not mounted there, or not for this user: the next place may do.
    }
  }
  const mount = mountDetached()
  if (mount < 0) return undefined
  try {
    return readNumber(`/proc/self/fd/${mount}`, event)
  } catch {
    return undefined
  } finally {
    syscall('close', mount)
  }
}
