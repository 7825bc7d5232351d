import { existsSync } from 'node:fs'
import { release } from 'node:os'
import { CAP, hasCapability } from '../capability.js'
import { readText, statusField } from './procfs.js'

/** What confines this process. */
export interface SandboxFacts {
  user: { uid: number; gid: number; groups: number[] }
  /** Rights of the superuser in effect, of those that Sluice can use. */
  capabilities: string[]
  /** Mode of the system call filter. */
  seccomp: 'none' | 'strict' | 'filter' | 'unknown'
  /** The process can gain no rights by executing a program. */
  noNewPrivileges: boolean
  /** Security modules of the kernel (`selinux`, `apparmor`, …); null where the kernel does not say. */
  securityModules: string[] | null
  /** What the security module calls this process: an AppArmor profile or SELinux context. */
  securityLabel: string | null
  /** The container runtime or the like, as far as it can be told. */
  container: 'docker' | 'podman' | 'kubernetes' | 'lxc' | 'gvisor' | 'wsl' | null
}

const SECCOMP = { '0': 'none', '1': 'strict', '2': 'filter' } as const

/** Images leave their marks behind when they are booted as a machine's disk: then the root is a device's. */
function rootIsDevice(): boolean {
  return / \/ \/ .* - \S+ \/dev\//.test(readText('/proc/self/mountinfo') ?? '')
}

function container(): SandboxFacts['container'] {
  if (/^Linux version 4\.4\.0 /.test(readText('/proc/version') ?? '')) return 'gvisor'
  if (process.env.KUBERNETES_SERVICE_HOST !== undefined) return 'kubernetes'
  if (existsSync('/.dockerenv') && !rootIsDevice()) return 'docker'
  if (existsSync('/run/.containerenv') && !rootIsDevice()) return 'podman'
  if (/^container=lxc/m.test((readText('/proc/1/environ') ?? '').replaceAll('\0', '\n'))) return 'lxc'
  return /microsoft/i.test(release()) ? 'wsl' : null
}

function label(modules: string[]): string | null {
  if (modules.length === 0 && !existsSync('/sys/fs/selinux/enforce')) return null
  return readText('/proc/self/attr/current') || null
}

/** What confines this process: its rights, its filter, its security module, its container. */
export function probeSandbox(): SandboxFacts {
  const modules = readText('/sys/kernel/security/lsm')?.split(',') ?? null
  const mode = statusField('Seccomp') ?? ''
  return {
    user: {
      uid: process.geteuid?.() ?? -1,
      gid: process.getegid?.() ?? -1,
      groups: process.getgroups?.() ?? [],
    },
    capabilities: Object.entries(CAP).flatMap(([name, number]) =>
      hasCapability(number) ? [`CAP_${name}`] : [],
    ),
    seccomp: mode in SECCOMP ? SECCOMP[mode as keyof typeof SECCOMP] : 'unknown',
    noNewPrivileges: statusField('NoNewPrivs') === '1',
    securityModules: modules,
    securityLabel: label(modules?.filter(name => name === 'selinux' || name === 'apparmor') ?? []),
    container: container(),
  }
}
