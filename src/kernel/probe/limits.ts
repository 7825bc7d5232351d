import { cpus, totalmem } from 'node:os'
import { CAP, hasCapability } from '../capability.js'
import { RLIMIT, resourceLimit } from '../rlimit.js'
import { readNumber, readText, sysctl } from './procfs.js'

/** A limit of this process; null means that there is none. */
export interface Limit {
  soft: number | null
  hard: number | null
}

/** Limits that bound what I/O can do; null where the kernel does not tell, unless said otherwise. */
export interface LimitFacts {
  /** Bytes that may be locked, which registered buffers are charged to. */
  memlock: Limit & {
    /** CAP_IPC_LOCK: the limit does not hold. */
    exempt: boolean
  }
  openFiles: Limit
  /** Processes and threads of the user, a ring's workers included. */
  processes: Limit
  /** Open files of the whole system. */
  systemFiles: number | null
  /** Mappings of a process. */
  mappings: number | null
  /** Bytes that an ordinary user may give a pipe. */
  pipeMaxSize: number | null
  /** Pages in all pipes of an ordinary user before new ones shrink; 0 for no limit. */
  pipeUserPagesSoft: number | null
  /** Pages in all pipes of an ordinary user before there are no more; 0 for no limit. */
  pipeUserPagesHard: number | null
  /** Operations of the older kernel AIO, over the whole system. */
  aioMax: number | null
  /** Reserved huge pages by size in KiB, and how many of them are free. */
  hugePages: { sizeKiB: number; reserved: number; free: number }[]
  /** `always`, `madvise` or `never`. */
  transparentHugePages: string | null
  /** Pages of dirty data before writers are made to write back themselves, in per cent of memory; 0 where set in bytes. */
  dirtyRatio: number | null
  /** Connections that may wait for accept(2). */
  somaxconn: number | null
  /** Bytes of the cgroup's memory; null where there is no limit. */
  cgroupMemory: number | null
  memoryBytes: number
  cpus: number
}

function limit(resource: number): Limit {
  const { soft, hard } = resourceLimit(resource)
  const finite = (value: number) => (value === Infinity ? null : value)
  return { soft: finite(soft), hard: finite(hard) }
}

function hugePages(): LimitFacts['hugePages'] {
  return [64, 2048, 32768, 524288, 1048576, 16777216].flatMap(sizeKiB => {
    const folder = `/sys/kernel/mm/hugepages/hugepages-${sizeKiB}kB`
    const reserved = readNumber(`${folder}/nr_hugepages`)
    const free = readNumber(`${folder}/free_hugepages`) ?? 0
    return reserved === undefined ? [] : [{ sizeKiB, reserved, free }]
  })
}

function cgroupMemory(): number | null {
  const own = /^0::(.*)$/m.exec(readText('/proc/self/cgroup') ?? '')?.[1] ?? ''
  const v2 = readNumber(`/sys/fs/cgroup${own === '/' ? '' : own}/memory.max`)
  const v1 = readNumber('/sys/fs/cgroup/memory/memory.limit_in_bytes')
  const found = v2 ?? v1 ?? Infinity
  // Version 1 writes "no limit" as a very large number.
  return found < totalmem() ? found : null
}

/** The limits that bound what I/O can do. */
export function probeLimits(): LimitFacts {
  return {
    memlock: { ...limit(RLIMIT.MEMLOCK), exempt: hasCapability(CAP.IPC_LOCK) },
    openFiles: limit(RLIMIT.NOFILE),
    processes: limit(RLIMIT.NPROC),
    systemFiles: sysctl('fs.file-max') ?? null,
    mappings: sysctl('vm.max_map_count') ?? null,
    pipeMaxSize: sysctl('fs.pipe-max-size') ?? null,
    pipeUserPagesSoft: sysctl('fs.pipe-user-pages-soft') ?? null,
    pipeUserPagesHard: sysctl('fs.pipe-user-pages-hard') ?? null,
    aioMax: sysctl('fs.aio-max-nr') ?? null,
    hugePages: hugePages(),
    transparentHugePages:
      /\[(\w+)\]/.exec(readText('/sys/kernel/mm/transparent_hugepage/enabled') ?? '')?.[1] ?? null,
    dirtyRatio: sysctl('vm.dirty_ratio') ?? null,
    somaxconn: sysctl('net.core.somaxconn') ?? null,
    cgroupMemory: cgroupMemory(),
    memoryBytes: totalmem(),
    cpus: cpus().length,
  }
}
