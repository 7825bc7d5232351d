import { readdirSync, readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, platform, release, totalmem, version } from 'node:os'
import { PAGE_SIZE } from '../kernel/index.js'
import { type Storage, storageOf } from './storage.js'

/** What a measurement depends on: the machine it was made on. */
export interface Fingerprint {
  kernel: {
    release: string
    version: string
    /** What it does against the faults that this CPU has, by fault: system calls cost more or less by it. */
    mitigations: Record<string, string>
  }
  cpu: {
    model: string
    /** Logical CPUs that this process may use. */
    count: number
    architecture: string
    /** How its clock is governed; undefined where it is not, as in most virtual machines. */
    governor: string | undefined
    /** Whether a hypervisor is underneath. */
    virtual: boolean
  }
  memory: {
    bytes: number
    pageBytes: number
    transparentHugePages: string | undefined
  }
  storage: Storage
  node: { version: string; v8: string; uv: string }
  /** Rights and limits of the process decide what can be measured. */
  user: { root: boolean }
  /** When, as ISO 8601 in UTC. */
  time: string
}

const VULNERABILITIES = '/sys/devices/system/cpu/vulnerabilities'

function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}

function mitigations(): Record<string, string> {
  try {
    const faults = readdirSync(VULNERABILITIES).sort()
    const all = faults.map(fault => [fault, text(`${VULNERABILITIES}/${fault}`) ?? 'unknown'])
    return Object.fromEntries(all.filter(([, state]) => state !== 'Not affected'))
  } catch {
    return {}
  }
}

/**
 * What this machine is, as far as it decides how fast bytes move.
 *
 * @param path a file or folder on the storage in question
 * @throws the system error of stat(2) for `path`
 */
export function fingerprint(path: string): Fingerprint {
  const processors = cpus()
  const hugePages = text('/sys/kernel/mm/transparent_hugepage/enabled')
  return {
    kernel: { release: `${platform()} ${release()}`, version: version(), mitigations: mitigations() },
    cpu: {
      model: processors[0]?.model.trim() ?? 'unknown',
      count: availableParallelism(),
      architecture: arch(),
      governor: text('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
      virtual: /^flags.*\bhypervisor\b/m.test(text('/proc/cpuinfo') ?? ''),
    },
    memory: {
      bytes: totalmem(),
      pageBytes: PAGE_SIZE,
      transparentHugePages: /\[(.+)\]/.exec(hugePages ?? '')?.[1],
    },
    storage: storageOf(path),
    node: { version: process.version, v8: process.versions.v8, uv: process.versions.uv },
    user: { root: process.geteuid?.() === 0 },
    time: new Date().toISOString(),
  }
}
