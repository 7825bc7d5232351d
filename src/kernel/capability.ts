import { syscall } from './syscall.js'

/** Rights of the superuser that Sluice can use, by number. @see capabilities(7) */
export const CAP = {
  DAC_OVERRIDE: 1,
  SETUID: 7,
  NET_ADMIN: 12,
  IPC_LOCK: 14,
  SYS_RAWIO: 17,
  SYS_PTRACE: 19,
  SYS_ADMIN: 21,
  SYS_NICE: 23,
  SYS_RESOURCE: 24,
  PERFMON: 38,
  BPF: 39,
} as const

const VERSION_3 = 0x20080522

/** Whether this thread has a right in effect. @param capability of {@link CAP} */
export function hasCapability(capability: number): boolean {
  const header = new Uint32Array(new ArrayBuffer(8))
  header[0] = VERSION_3
  // Two triples of effective, permitted, inheritable: for rights 0 to 31 and 32 to 63.
  const sets = new Uint32Array(new ArrayBuffer(24))
  if (syscall('capget', header, sets) < 0) return false
  return (((sets[capability < 32 ? 0 : 3] as number) >>> (capability & 31)) & 1) === 1
}
