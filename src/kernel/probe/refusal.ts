import { readFileSync } from 'node:fs'
import { errnoName } from '../errors.js'
import { lockedMemory } from '../rlimit.js'
import { sysctl } from './procfs.js'
import { probeSandbox, type SandboxFacts } from './sandbox.js'

/** Why io_uring is refused, and what would change that. */
export interface IoUringRefusal {
  /** The call that failed. */
  syscall: 'io_uring_setup' | 'io_uring_enter' | 'io_uring_register' | 'mmap'
  /** Its error: `EPERM`, `ENOSYS`, … */
  code: string
  /** What stands behind it, as far as it can be told. */
  cause: 'sysctl' | 'seccomp' | 'security-module' | 'kernel' | 'memory' | 'descriptors' | 'unknown'
  /** For a person. */
  reason: string
  /** What to do about it. */
  fix: string
}

type Finding = Pick<IoUringRefusal, 'cause' | 'reason' | 'fix'>

const PROFILE = 'a seccomp profile that allows io_uring_setup, io_uring_enter and io_uring_register'

const ALLOW: Record<NonNullable<SandboxFacts['container']>, string> = {
  docker: `run the container with ${PROFILE} (docker run --security-opt seccomp=PROFILE.json)`,
  podman: `run the container with ${PROFILE} (podman run --security-opt seccomp=PROFILE.json)`,
  kubernetes: `give the pod ${PROFILE} (securityContext.seccompProfile: type Localhost)`,
  lxc: 'allow the io_uring system calls in the container’s lxc.seccomp.profile',
  gvisor: 'run outside gVisor: its kernel has no io_uring that could be used',
  wsl: 'update WSL (wsl --update) and its kernel, or run on a Linux of its own',
}

function allowInFilter(sandbox: SandboxFacts): string {
  if (sandbox.container !== null) return ALLOW[sandbox.container]
  return `start the process under ${PROFILE} (systemd: SystemCallFilter=@io-event @default …)`
}

/** `kernel.io_uring_disabled`: 1 bars all but CAP_SYS_ADMIN and one group, 2 bars everybody. Kernel 6.6. */
function disabledBySysctl(sandbox: SandboxFacts): Finding | undefined {
  const disabled = sysctl('kernel.io_uring_disabled') ?? 0
  if (disabled >= 2) {
    return {
      cause: 'sysctl',
      reason: `kernel.io_uring_disabled is ${disabled}: io_uring is barred for everybody`,
      fix: 'as root: sysctl -w kernel.io_uring_disabled=0 (and in /etc/sysctl.d/, to last)',
    }
  }
  if (disabled !== 1 || sandbox.capabilities.includes('CAP_SYS_ADMIN')) return undefined
  const group = sysctl('kernel.io_uring_group') ?? -1
  if (group >= 0 && (group === sandbox.user.gid || sandbox.user.groups.includes(group))) return undefined
  const join =
    group < 0
      ? 'sysctl -w kernel.io_uring_group=GID, with a group of this user'
      : `add this user to group ${group}`
  return {
    cause: 'sysctl',
    reason: `kernel.io_uring_disabled is 1: io_uring is for CAP_SYS_ADMIN and ${group < 0 ? 'no group' : `group ${group}`} only`,
    fix: `as root: ${join}; or sysctl -w kernel.io_uring_disabled=0`,
  }
}

/** Whether the running kernel has been built with io_uring; undefined where it does not tell. */
function kernelHasIoUring(): boolean | undefined {
  if (sysctl('kernel.io_uring_disabled') !== undefined) return true
  try {
    return /\b__(x64|arm64)_sys_io_uring_setup$/m.test(readFileSync('/proc/kallsyms', 'latin1'))
  } catch {
    // Hidden: it could be either.
    return undefined
  }
}

function withoutPermission(code: string, sandbox: SandboxFacts): Finding {
  const barred = disabledBySysctl(sandbox)
  if (barred !== undefined) return barred
  const module = sandbox.securityLabel
  const filtered = sandbox.seccomp !== 'none'
  if (module !== null && (code === 'EACCES' || !filtered)) {
    return {
      cause: 'security-module',
      reason: `a security module refuses it to "${module}"`,
      fix: 'SELinux: allow the domain the io_uring class (audit2allow shows the rule); AppArmor: "allow io_uring," in the profile',
    }
  }
  if (filtered) {
    return {
      cause: 'seccomp',
      reason: `a seccomp filter refuses the system call${sandbox.container === null ? '' : ` (${sandbox.container})`}`,
      fix: allowInFilter(sandbox),
    }
  }
  return {
    cause: 'unknown',
    reason: 'the kernel refuses it without saying why (a BPF security program, or a patched kernel)',
    fix: 'ask whoever runs this machine which policy bars io_uring',
  }
}

function notThere(sandbox: SandboxFacts): Finding {
  if (sandbox.container === 'gvisor') {
    return { cause: 'kernel', reason: 'gVisor does not offer io_uring', fix: ALLOW.gvisor }
  }
  if (kernelHasIoUring() !== false && sandbox.seccomp === 'filter') {
    return {
      cause: 'seccomp',
      reason: 'a seccomp filter pretends that the kernel has no io_uring',
      fix: allowInFilter(sandbox),
    }
  }
  return {
    cause: 'kernel',
    reason: 'this kernel has been built without io_uring (CONFIG_IO_URING), or is older than 5.1',
    fix: 'boot a kernel of 5.15 or newer with CONFIG_IO_URING=y',
  }
}

/** Rings are charged to RLIMIT_MEMLOCK by kernels before 5.12, and by newer ones again. */
function withoutMemory(): Finding {
  const { limit, unlimited } = lockedMemory()
  const short = 'the cgroup or the machine has no memory for the ring'
  return {
    cause: 'memory',
    reason: unlimited
      ? short
      : `RLIMIT_MEMLOCK is ${limit} bytes for all rings and registered buffers of this user, or ${short}`,
    fix: 'raise the limit: ulimit -l, LimitMEMLOCK= (systemd), --ulimit memlock=-1 (Docker), or the cgroup’s memory.max',
  }
}

function find(code: string, sandbox: SandboxFacts): Finding {
  switch (code) {
    case 'EPERM':
    case 'EACCES':
      return withoutPermission(code, sandbox)
    case 'ENOSYS':
    case 'EOPNOTSUPP':
    case 'ENOTSUP':
      return notThere(sandbox)
    case 'ENOMEM':
      return withoutMemory()
    case 'EMFILE':
    case 'ENFILE':
      return {
        cause: 'descriptors',
        reason:
          code === 'EMFILE' ? 'this process has no descriptor left' : 'the system has no descriptor left',
        fix:
          code === 'EMFILE'
            ? 'raise ulimit -n, LimitNOFILE= (systemd); look for a leak'
            : 'as root: raise sysctl fs.file-max',
      }
    default:
      return { cause: 'unknown', reason: `the kernel answers ${code}`, fix: 'see io_uring_setup(2)' }
  }
}

/**
 * Finds out why io_uring is refused.
 *
 * @param errno of either sign
 * @param syscall the call that answered it
 */
export function explainRefusal(
  errno: number,
  syscall: IoUringRefusal['syscall'] = 'io_uring_setup',
  sandbox: SandboxFacts = probeSandbox(),
): IoUringRefusal {
  const code = errnoName(errno)
  return { syscall, code, ...find(code, sandbox) }
}
