import { addressOf, errnoOf, SYSCALL, type SyscallName, syscall, systemError } from '#dist/kernel/index.js'

/** What a sandbox answers to which calls. */
export interface Refusal {
  /** The name of the error: `EPERM` as Docker answers, `ENOSYS` as Podman does. */
  code: string
  /** The three of io_uring by default; also what it needs besides, such as `mmap`. */
  calls?: readonly SyscallName[]
  /** Only with this value of an argument (the first is 0), of which the lower 32 bits are compared. */
  argument?: { index: number; value: number }
}

const PR_SET_NO_NEW_PRIVS = 38
const SECCOMP_SET_MODE_FILTER = 1
const SECCOMP_FILTER_FLAG_TSYNC = 1

/** Classic BPF: what is loaded, compared and returned. @see seccomp(2) */
const BPF = { LOAD_WORD: 0x20, JUMP_IF_EQUAL: 0x15, RETURN: 0x06 } as const
const SECCOMP_RET = { ERRNO: 0x00050000, ALLOW: 0x7fff0000 } as const
const SECCOMP_DATA = { NR: 0, ARCH: 4, ARGS: 16 } as const
const AUDIT_ARCH = process.arch === 'arm64' ? 0xc00000b7 : 0xc000003e

const INSTRUCTION_BYTES = 8

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number]

/** Answers an error to some calls and lets all others through. */
function filter(calls: readonly SyscallName[], argument: Refusal['argument'], errno: number): Instruction[] {
  const tests = calls.map((call, index): Instruction => {
    const toRefusal = calls.length - index
    return [BPF.JUMP_IF_EQUAL, toRefusal, 0, SYSCALL[call]]
  })
  const { index = 0, value = 0 } = argument ?? {}
  const further: Instruction[] = [
    [BPF.LOAD_WORD, 0, 0, SECCOMP_DATA.ARGS + 8 * index],
    [BPF.JUMP_IF_EQUAL, 1, 0, value],
    [BPF.RETURN, 0, 0, SECCOMP_RET.ALLOW],
  ]
  return [
    [BPF.LOAD_WORD, 0, 0, SECCOMP_DATA.ARCH],
    // Numbers mean other calls on another architecture: those are let through.
    [BPF.JUMP_IF_EQUAL, 0, tests.length + 1, AUDIT_ARCH],
    [BPF.LOAD_WORD, 0, 0, SECCOMP_DATA.NR],
    ...tests,
    [BPF.RETURN, 0, 0, SECCOMP_RET.ALLOW],
    ...(argument === undefined ? [] : further),
    [BPF.RETURN, 0, 0, SECCOMP_RET.ERRNO | errno],
  ]
}

function assemble(instructions: readonly Instruction[]): DataView {
  const program = new DataView(new ArrayBuffer(instructions.length * INSTRUCTION_BYTES))
  for (const [index, [code, ifTrue, ifFalse, operand]] of instructions.entries()) {
    const at = index * INSTRUCTION_BYTES
    program.setUint16(at, code, true)
    program.setUint8(at + 2, ifTrue)
    program.setUint8(at + 3, ifFalse)
    program.setUint32(at + 4, operand, true)
  }
  return program
}

/**
 * Makes the kernel refuse io_uring to this process, all of its threads and its children, for good: only for a
 * process of its own. It needs no rights. See refuse-io-uring-first.ts for when to call it.
 *
 * @throws the system error of prctl(2) or seccomp(2)
 */
export function refuseIoUring({
  code,
  calls = ['io_uring_setup', 'io_uring_enter', 'io_uring_register'],
  argument,
}: Refusal): void {
  const program = assemble(filter(calls, argument, errnoOf(code)))
  const header = new BigUint64Array(new ArrayBuffer(16))
  header[0] = BigInt(program.byteLength / INSTRUCTION_BYTES)
  header[1] = BigInt(addressOf(program))
  const locked = syscall('prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
  if (locked < 0) throw systemError(locked, 'prctl')
  const result = syscall('seccomp', SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, header)
  if (result !== 0) throw systemError(result < 0 ? result : errnoOf('ESRCH'), 'seccomp')
}
