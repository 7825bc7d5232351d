import { errnoName } from '../errors.js'
import { openPerfEvent, PERF_COUNT_SW, PERF_TYPE } from '../perf-event.js'
import { addressOf, syscall } from '../syscall.js'
import { tracepointNumber } from '../tracefs.js'
import { readText, sysctl } from './procfs.js'

/** What this process may watch; each is tried, and is `ok` or the name of the error that it meets. */
export interface TracingFacts {
  /** `kernel.perf_event_paranoid`; null where the kernel has no perf. */
  perfEventParanoid: number | null
  /** A software counter of this process, the kernel's share included: context switches. */
  counters: string
  /** The same, of user mode alone. */
  userCounters: string
  /** A hardware counter: cycles. */
  hardwareCounters: string
  /** The tracepoint at the entry of system calls, counted. `ENOENT` where its number cannot be read. */
  tracepoints: string
  /** Where tracefs is mounted and can be read; null where it is not. */
  tracefs: string | null
  /** Loading a program of eBPF. */
  ebpf: string
  /** `kernel.unprivileged_bpf_disabled`; null where there is no such setting. */
  unprivilegedBpfDisabled: number | null
  /** `kernel.kptr_restrict`; null where there is no such setting. */
  kptrRestrict: number | null
  /** `kernel.yama.ptrace_scope`: who may attach to a process; null without Yama. */
  ptraceScope: number | null
}

const HARDWARE = 0
const CPU_CYCLES = 0
const BPF_PROG_LOAD = 5
const BPF_PROG_TYPE_TRACEPOINT = 5
const BPF_ATTR_BYTES = 128
const WORD_RANGE = 2 ** 32

function close(result: number): string {
  if (result < 0) return errnoName(result)
  syscall('close', result)
  return 'ok'
}

function counter(type: number, config: number, excludeKernel: boolean): string {
  return close(openPerfEvent({ type, config, thread: 0, inherit: false, excludeKernel }))
}

function tracepoint(): string {
  const config = tracepointNumber('raw_syscalls/sys_enter')
  return config === undefined ? 'ENOENT' : counter(PERF_TYPE.TRACEPOINT, config, false)
}

/** Loads `return 0` as a tracepoint's program; it is attached to nothing. */
function ebpf(): string {
  const program = new Uint8Array(new ArrayBuffer(16))
  program.set([0xb7], 0) // r0 = 0
  program.set([0x95], 8) // exit
  const license = new Uint8Array(new ArrayBuffer(8))
  license.set(new TextEncoder().encode('GPL'))
  const attributes = new DataView(new ArrayBuffer(BPF_ATTR_BYTES))
  attributes.setUint32(0, BPF_PROG_TYPE_TRACEPOINT, true)
  attributes.setUint32(4, program.length / 8, true)
  for (const [at, buffer] of [[8, program] as const, [16, license] as const]) {
    const address = addressOf(buffer)
    attributes.setUint32(at, address % WORD_RANGE, true)
    attributes.setUint32(at + 4, address / WORD_RANGE, true)
  }
  return close(syscall('bpf', BPF_PROG_LOAD, attributes, BPF_ATTR_BYTES))
}

function tracefs(): string | null {
  const folders = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing']
  return folders.find(folder => readText(`${folder}/current_tracer`) !== undefined) ?? null
}

/** Tries every means of watching what a process does. */
export function probeTracing(): TracingFacts {
  return {
    perfEventParanoid: sysctl('kernel.perf_event_paranoid') ?? null,
    counters: counter(PERF_TYPE.SOFTWARE, PERF_COUNT_SW.CONTEXT_SWITCHES, false),
    userCounters: counter(PERF_TYPE.SOFTWARE, PERF_COUNT_SW.TASK_CLOCK, true),
    hardwareCounters: counter(HARDWARE, CPU_CYCLES, true),
    tracepoints: tracepoint(),
    tracefs: tracefs(),
    ebpf: ebpf(),
    unprivilegedBpfDisabled: sysctl('kernel.unprivileged_bpf_disabled') ?? null,
    kptrRestrict: sysctl('kernel.kptr_restrict') ?? null,
    ptraceScope: sysctl('kernel.yama.ptrace_scope') ?? null,
  }
}
