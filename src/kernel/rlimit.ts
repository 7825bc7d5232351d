import { CAP, hasCapability } from './capability.js'
import { systemError } from './errors.js'
import { syscall } from './syscall.js'

/** Resources that a process is limited in. @see getrlimit(2) */
export const RLIMIT = { CPU: 0, FSIZE: 1, STACK: 3, NPROC: 6, NOFILE: 7, MEMLOCK: 8, AS: 9 } as const

const WORD_RANGE = 2 ** 32
const ALL = 0xffffffff

/** A limit; `Infinity` where there is none. */
export interface ResourceLimit {
  /** What is enforced. */
  soft: number
  /** As far as the process may raise it. */
  hard: number
}

function u64(words: Uint32Array, at: number): number {
  const [low, high] = [words[at] as number, words[at + 1] as number]
  return low === ALL && high === ALL ? Infinity : high * WORD_RANGE + low
}

/** This process's limit. @param resource of {@link RLIMIT} */
export function resourceLimit(resource: number): ResourceLimit {
  const words = new Uint32Array(new ArrayBuffer(16))
  const result = syscall('prlimit64', 0, resource, 0, words)
  if (result < 0) throw systemError(result, 'prlimit')
  return { soft: u64(words, 0), hard: u64(words, 2) }
}

/** How much memory this process may lock, in bytes, and whether the limit does not hold for it (CAP_IPC_LOCK). */
export function lockedMemory(): { limit: number; unlimited: boolean } {
  const { soft } = resourceLimit(RLIMIT.MEMLOCK)
  return { limit: soft, unlimited: soft === Infinity || hasCapability(CAP.IPC_LOCK) }
}
