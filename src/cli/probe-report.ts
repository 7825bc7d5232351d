import type { Limit, Offer, ProbeResult } from '../kernel/index.js'
import { formatBytes, formatCount, wrap } from './layout.js'
import type { Terminal } from './terminal.js'

const LABEL = 20

/** The result of a probe for a person: grouped, aligned, with what to do at its end. */
export class ProbeReport {
  readonly #result: ProbeResult
  readonly #terminal: Terminal
  readonly #lines: string[] = []

  constructor(result: ProbeResult, terminal: Terminal) {
    this.#result = result
    this.#terminal = terminal
  }

  /** The whole text, ending with a newline. */
  get text(): string {
    this.#lines.length = 0
    this.#driver()
    this.#system()
    this.#ioUring()
    this.#limits()
    this.#paging()
    this.#path()
    this.#tracing()
    this.#advice()
    return `${this.#lines.join('\n')}\n`
  }

  #heading(title: string): void {
    this.#lines.push('', this.#terminal.paint('bold', title))
  }

  #row(label: string, ...words: string[]): void {
    const first = `  ${label.padEnd(LABEL - 2)}`
    this.#lines.push(
      wrap(
        first,
        words.flatMap(word => word.split(' ')),
        this.#terminal.columns,
      ),
    )
  }

  /** A row whose words stay whole, since they are coloured. */
  #marks(label: string, words: readonly string[]): void {
    this.#lines.push(wrap(`  ${label.padEnd(LABEL - 2)}`, words, this.#terminal.columns))
  }

  #good(text: string): string {
    return this.#terminal.paint('green', text)
  }

  #bad(text: string): string {
    return this.#terminal.paint('red', text)
  }

  /** What a try came to. */
  #way(way: string | null): string {
    if (way === null) return 'not known'
    return way === 'ok' ? this.#good('yes') : `${this.#bad('no')} (${way})`
  }

  #driver(): void {
    const { name, reason, usable } = this.#result.driver
    const driver = this.#terminal.paint('bold', name)
    const verdict = usable ? this.#good('✓') : this.#bad('✗')
    this.#lines.push(
      wrap(
        `${verdict} `,
        [`Sluice uses the ${driver} driver:`, ...reason.split(' ')],
        this.#terminal.columns,
      ),
    )
  }

  #system(): void {
    const { system } = this.#result
    this.#heading('System')
    this.#row('kernel', `${system.kernel}, ${system.arch}, pages of ${formatBytes(system.pageSize)}`)
    this.#row('node', system.node)
    const rights = system.capabilities.join(' ') || 'no rights of the superuser'
    this.#row('user', `${system.user.uid}${system.user.uid === 0 ? ' (root),' : ','} ${rights}`)
    const filter = system.seccomp === 'none' ? 'no seccomp filter' : `seccomp: ${system.seccomp}`
    const modules = system.securityModules?.join(',') ?? 'security modules not told'
    this.#row('sandbox', `${filter}; ${modules}; ${system.container ?? 'no container'}`)
  }

  #name({ name, supported }: Offer, suffix = ''): string {
    return supported ? `${name}${suffix}` : this.#bad(`✗ ${name}${suffix}`)
  }

  /** How many of them there are, then each with the kernel that brought it. */
  #offers(label: string, offers: readonly Offer[]): void {
    const supported = offers.filter(offer => offer.supported).length
    const words = offers.map(offer => this.#name(offer, ` (${offer.since})`))
    this.#row(label, `${supported} of ${offers.length}; in brackets, the kernel that brought it`)
    this.#marks('', words)
  }

  /** As above, a line a kernel. */
  #operations(offers: readonly Offer[]): void {
    const supported = offers.filter(offer => offer.supported).length
    this.#row('operations', `${supported} of ${offers.length}`)
    const since = [...new Set(offers.map(offer => offer.since))].sort(byVersion)
    for (const version of since) {
      const words = offers.filter(offer => offer.since === version).map(offer => this.#name(offer))
      this.#marks(`  since ${version}`, words)
    }
  }

  #ioUring(): void {
    const { ioUring } = this.#result
    this.#heading('io_uring')
    const state = ioUring.available ? this.#good('yes') : this.#bad('no')
    this.#marks('available', [state])
    if (ioUring.refusal !== null) {
      this.#row('refused by', `${ioUring.refusal.syscall}: ${ioUring.refusal.code}`)
      this.#row('because', ioUring.refusal.reason)
    }
    if (ioUring.disabled !== null) this.#row('sysctl', `kernel.io_uring_disabled = ${ioUring.disabled}`)
    if (!ioUring.available) return
    const { workers } = ioUring
    if (workers !== null) {
      this.#row(
        'workers at most',
        `${formatCount(workers.bounded)} for files, ${formatCount(workers.unbounded)} for the rest`,
      )
    }
    this.#operations(ioUring.operations)
    if (ioUring.unknownOperations > 0)
      this.#row('', `and ${ioUring.unknownOperations} that this Sluice does not know`)
    this.#offers('features', ioUring.features)
    this.#offers('set-up flags', ioUring.setupFlags)
    this.#offers('registrations', ioUring.registrations)
  }

  #limits(): void {
    const { limits } = this.#result
    this.#heading('Limits')
    const exempt = limits.memlock.exempt ? ', which CAP_IPC_LOCK exempts from' : ''
    this.#row('locked memory', `${formatLimit(limits.memlock, formatBytes)}${exempt}`)
    this.#row('open files', formatLimit(limits.openFiles, formatCount))
    this.#row('processes', formatLimit(limits.processes, formatCount))
    this.#row('mappings', count(limits.mappings))
    this.#row('pipe', `${bytes(limits.pipeMaxSize)} at most`)
    const soft = `${pages(limits.pipeUserPagesSoft)} before new ones are small`
    this.#row('pipes of a user', `${soft}, ${pages(limits.pipeUserPagesHard)} before there are no more`)
    this.#row('kernel AIO', `${count(limits.aioMax)} operations`)
    const huge = limits.hugePages.map(hugeText).join(', ') || 'none offered'
    this.#row('huge pages', `${huge}; transparent: ${limits.transparentHugePages ?? 'not offered'}`)
    const cgroup =
      limits.cgroupMemory === null ? '' : `, of which the cgroup may use ${formatBytes(limits.cgroupMemory)}`
    this.#row('machine', `${limits.cpus} CPUs, ${formatBytes(limits.memoryBytes)}${cgroup}`)
  }

  #paging(): void {
    const { userfaultfd } = this.#result
    this.#heading('userfaultfd')
    this.#marks('by device', [this.#way(userfaultfd.device)])
    this.#marks('by system call', [this.#way(userfaultfd.systemCall)])
    this.#marks('user mode only', [this.#way(userfaultfd.userModeOnly)])
    if (userfaultfd.unprivileged !== null)
      this.#row('sysctl', `vm.unprivileged_userfaultfd = ${userfaultfd.unprivileged}`)
    this.#marks('PAGEMAP_SCAN', [this.#way(userfaultfd.pagemapScan)])
    if (userfaultfd.features.length > 0) this.#offers('features', userfaultfd.features)
  }

  #path(): void {
    const { path } = this.#result
    const { mount, device, direct } = path
    this.#heading(`File system of ${path.path}`)
    if (mount !== null) {
      this.#row('type', `${mount.type} on ${mount.mountPoint}, from ${mount.source}`)
      this.#row('options', mount.options.join(' '))
    }
    this.#row(
      'space',
      `${formatBytes(path.freeBytes)} of ${formatBytes(path.totalBytes)} free, blocks of ${formatBytes(path.blockSize)}`,
    )
    if (device !== null) this.#row('device', deviceText(device))
    this.#marks('Direct I/O', this.#directText(direct).split(' '))
    this.#marks('DAX', [
      path.dax.active ? this.#good('yes') : 'no',
      `(MAP_SYNC: ${path.dax.mapSync ?? 'not tried'})`,
    ])
    this.#marks('reflink', [this.#way(path.reflink)])
    this.#marks('atomic writes', [atomicText(path.atomicWrite)])
    this.#marks('RWF_NOWAIT', [this.#way(path.nowait)])
    this.#marks('RWF_DONTCACHE', [this.#way(path.uncached)])
    this.#marks('cachestat', [this.#way(path.cachestat)])
  }

  #directText({ supported, memoryAlign, offsetAlign, method }: ProbeResult['path']['direct']): string {
    if (supported === null) return 'not known'
    if (!supported) return this.#bad('no')
    const how = method === 'statx' ? 'told by the kernel' : 'found by trying'
    return `${this.#good('yes')}, memory on ${memoryAlign} bytes, offset and length on ${offsetAlign} (${how})`
  }

  #tracing(): void {
    const { tracing } = this.#result
    this.#heading('Tracing')
    this.#row('sysctl', `kernel.perf_event_paranoid = ${tracing.perfEventParanoid ?? 'not there'}`)
    this.#marks('software counters', [this.#way(tracing.counters)])
    this.#marks('of user mode', [this.#way(tracing.userCounters)])
    this.#marks('hardware counters', [this.#way(tracing.hardwareCounters)])
    this.#marks('tracepoints', [this.#way(tracing.tracepoints)])
    this.#row('tracefs', tracing.tracefs ?? 'not mounted, or not to be read')
    this.#marks('eBPF', [this.#way(tracing.ebpf)])
  }

  #advice(): void {
    const { advice } = this.#result
    this.#heading('What to do')
    if (advice.length === 0) this.#lines.push('  nothing: all that Sluice can use is there')
    for (const { severity, problem, fix } of advice) {
      const mark =
        severity === 'warning' ? this.#terminal.paint('red', '!') : this.#terminal.paint('yellow', '·')
      this.#lines.push(wrap(`  ${mark} `, problem.split(' '), this.#terminal.columns))
      this.#lines.push(wrap('    → ', fix.split(' '), this.#terminal.columns))
    }
  }
}

function byVersion(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number)
  const [majorB = 0, minorB = 0] = b.split('.').map(Number)
  return majorA - majorB || minorA - minorB
}

function formatLimit({ soft, hard }: Limit, format: (value: number) => string): string {
  if (soft === null) return 'no limit'
  if (soft === hard) return format(soft)
  return `${format(soft)}, can be raised ${hard === null ? 'without limit' : `to ${format(hard)}`}`
}

function hugeText({ sizeKiB, reserved, free }: ProbeResult['limits']['hugePages'][number]): string {
  return `${formatBytes(sizeKiB * 1024)}: ${reserved === 0 ? 'none reserved' : `${free} of ${reserved} free`}`
}

function count(value: number | null): string {
  return value === null ? 'not told' : formatCount(value)
}

function bytes(value: number | null): string {
  return value === null ? 'not told' : formatBytes(value)
}

function pages(value: number | null): string {
  if (value === null) return 'not told'
  return value === 0 ? 'no limit' : `${formatCount(value)} pages`
}

function atomicText(atomic: { min: number; max: number } | null): string {
  if (atomic === null) return 'not known'
  return atomic.max === 0 ? 'no' : `${formatBytes(atomic.min)} to ${formatBytes(atomic.max)}`
}

function deviceText(device: NonNullable<ProbeResult['path']['device']>): string {
  const parts = [
    device.name,
    device.scheduler === null ? '' : `scheduler ${device.scheduler}`,
    device.rotational === null ? '' : device.rotational ? 'says that it rotates' : 'does not rotate',
    device.physicalBlockSize === null
      ? ''
      : `sectors of ${device.logicalBlockSize}/${device.physicalBlockSize} bytes`,
    device.requests === null ? '' : `${device.requests} requests deep`,
    device.writeCache === null ? '' : `cache: ${device.writeCache}`,
  ]
  return parts.filter(part => part !== '').join(', ')
}
