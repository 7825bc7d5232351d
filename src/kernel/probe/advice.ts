import type { ProbeFacts } from './facts.js'

/** Something that could be better here, and how. */
export interface Advice {
  /** What it is about: the name of the fact's group. */
  about: 'ioUring' | 'limits' | 'userfaultfd' | 'path' | 'tracing' | 'system'
  /** `warning` where Sluice works less well for it, `hint` where only some of its uses do. */
  severity: 'warning' | 'hint'
  problem: string
  fix: string
}

type Rule = (facts: ProbeFacts) => Omit<Advice, 'about'> | undefined

const MIB = 2 ** 20
/** Registered buffers of a server under load: 1,024 blocks of 64 KiB. */
const WANTED_MEMLOCK = 64 * MIB
/** Connections and files of a busy server. */
const WANTED_FILES = 4096

/** Offers whose lack changes what Sluice does, and how. */
const MISSED: Readonly<Record<string, string>> = {
  SINGLE_ISSUER: 'rings take a lock for each submission',
  DEFER_TASKRUN: 'a dedicated ring is interrupted by completions',
  SUBMIT_ALL: 'a bad entry ends its batch',
}

function olderKernel({ ioUring, system }: ProbeFacts) {
  const missing = ioUring.setupFlags.filter(({ name, supported }) => !supported && name in MISSED)
  const newest = missing.at(-1)
  if (newest === undefined) return undefined
  const what = missing.map(({ name }) => `${name}: ${MISSED[name]}`).join('; ')
  return {
    severity: 'hint',
    problem: `kernel ${system.kernel} lacks what makes rings fast (${what})`,
    fix: `boot a kernel of ${newest.since} or newer`,
  } as const
}

function memlock({ limits, ioUring }: ProbeFacts) {
  const { soft, exempt } = limits.memlock
  if (exempt || soft === null || soft >= WANTED_MEMLOCK || !ioUring.available) return undefined
  return {
    severity: 'hint',
    problem: `at most ${Math.floor(soft / MIB)} MiB can be registered as buffers or locked (RLIMIT_MEMLOCK)`,
    fix: 'ulimit -l unlimited, LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (Docker), or CAP_IPC_LOCK',
  } as const
}

function openFiles({ limits }: ProbeFacts) {
  const { soft, hard } = limits.openFiles
  if (soft === null || soft >= WANTED_FILES) return undefined
  const most = hard === null || hard >= WANTED_FILES ? `ulimit -n ${hard ?? 1048576}` : 'ulimit -n, as root'
  return {
    severity: 'warning',
    problem: `this process may have ${soft} descriptors open: a server runs out of them`,
    fix: `${most}, or LimitNOFILE= (systemd), --ulimit nofile= (Docker)`,
  } as const
}

function pipes({ limits, system }: ProbeFacts) {
  const pages = limits.pipeUserPagesSoft
  if (pages === null || pages === 0 || pages >= 16384) return undefined
  if (system.capabilities.includes('CAP_SYS_RESOURCE')) return undefined
  return {
    severity: 'hint',
    problem: `the pipes of a user share ${pages} pages; beyond that, new ones hold one page, and splicing is slow`,
    fix: 'as root: sysctl -w fs.pipe-user-pages-soft=0 (no limit), or 16384, the kernel’s default',
  } as const
}

function userMode({ userfaultfd }: ProbeFacts) {
  if (userfaultfd.mode === 'user-mode-only') {
    return {
      severity: 'hint',
      problem: 'userfaultfd serves faults of user mode only: a read(2) into a missing page fails with EFAULT',
      fix: 'as root: give this user /dev/userfaultfd (chgrp, chmod 660), or sysctl -w vm.unprivileged_userfaultfd=1',
    } as const
  }
  if (userfaultfd.mode !== null) return undefined
  return {
    severity: 'hint',
    problem: `no userfaultfd (device: ${userfaultfd.device}, system call: ${userfaultfd.userModeOnly}): no paging in user space`,
    fix:
      userfaultfd.userModeOnly === 'ENOSYS'
        ? 'a kernel with CONFIG_USERFAULTFD=y, and a seccomp profile that allows userfaultfd'
        : 'a seccomp profile that allows userfaultfd, or /dev/userfaultfd in the sandbox',
  } as const
}

function counters({ tracing }: ProbeFacts) {
  if (tracing.counters === 'ok' && tracing.tracepoints === 'ok') return undefined
  const what =
    tracing.counters === 'ok'
      ? 'system calls cannot be counted'
      : 'switches and system calls cannot be counted by perf'
  return {
    severity: 'hint',
    problem: `${what} (counter: ${tracing.counters}, tracepoint: ${tracing.tracepoints}): sluice lab derives them`,
    fix:
      tracing.perfEventParanoid === null
        ? 'a kernel with CONFIG_PERF_EVENTS=y'
        : 'run it as root, or with CAP_PERFMON and a tracefs that it may read; in a container: --cap-add PERFMON',
  } as const
}

function readOnly({ path }: ProbeFacts) {
  if (path.writable) return undefined
  const because = path.mount?.options.includes('ro') ? 'it is mounted read-only' : 'no file can be made there'
  return {
    severity: 'hint',
    problem: `what ${path.path} offers is known only in part: ${because}`,
    fix: 'name a folder of the same file system that can be written: sluice probe PATH',
  } as const
}

function direct({ path }: ProbeFacts) {
  if (path.direct.supported !== false) return undefined
  return {
    severity: 'hint',
    problem: `${path.mount?.type ?? 'this file system'} has no Direct I/O`,
    fix: 'put files that are to be read past the page cache on ext4, XFS or Btrfs',
  } as const
}

function almostFull({ path }: ProbeFacts) {
  if (path.totalBytes === 0 || path.freeBytes / path.totalBytes > 0.05 || path.mount?.options.includes('ro'))
    return undefined
  return {
    severity: 'hint',
    problem: `${path.path} has ${Math.floor(path.freeBytes / MIB)} MiB left`,
    fix: 'free some space: file systems write slower, and in smaller extents, when they are almost full',
  } as const
}

const RULES: readonly (readonly [Advice['about'], Rule])[] = [
  ['system', olderKernel],
  ['limits', memlock],
  ['limits', openFiles],
  ['limits', pipes],
  ['userfaultfd', userMode],
  ['path', readOnly],
  ['path', direct],
  ['path', almostFull],
  ['tracing', counters],
]

/** What could be better here, the most important first. */
export function adviseOn(facts: ProbeFacts): Advice[] {
  const { refusal } = facts.ioUring
  const refused: Advice[] =
    refusal === null
      ? []
      : [
          {
            about: 'ioUring',
            severity: 'warning',
            problem: `no io_uring: ${refusal.reason} (${refusal.code})`,
            fix: refusal.fix,
          },
        ]
  const others = RULES.flatMap(([about, rule]) => {
    const found = rule(facts)
    return found === undefined ? [] : [{ about, ...found }]
  })
  return [...refused, ...others].sort((a, b) => rank(a) - rank(b))
}

function rank({ severity }: Advice): number {
  return severity === 'warning' ? 0 : 1
}
