import { release } from 'node:os'
import { invalidArgType } from '../errors.js'
import { PAGE_SIZE } from '../mmap.js'
import { type Advice, adviseOn } from './advice.js'
import { DRIVER_REASON, driverDemand } from './driver-choice.js'
import type { ProbeFacts } from './facts.js'
import { type IoUringFacts, probeIoUring } from './io-uring.js'
import { probeLimits } from './limits.js'
import { probePath } from './path.js'
import { probeSandbox } from './sandbox.js'
import { probeTracing } from './tracing.js'
import { probeUserfaultfd } from './userfaultfd.js'

/** Which driver Sluice uses here. */
export interface DriverChoice {
  name: 'ring' | 'epoll'
  reason: string
  /** It was demanded by `SLUICE_DRIVER`, whether or not it can be had. */
  demanded: boolean
  /** False where the driver that was demanded cannot be had: every operation will fail. */
  usable: boolean
}

/** What this kernel and sandbox offer. Its JSON is documented in docs/guide/probe.md. */
export interface ProbeResult extends ProbeFacts {
  /** Of this shape; a field that changes its meaning raises it, a new one does not. */
  version: 1
  driver: DriverChoice
  /** What could be better, the most important first. */
  advice: Advice[]
}

function chooseDriver({ available, refusal }: IoUringFacts): DriverChoice {
  const why = refusal === null ? DRIVER_REASON.WORKS : DRIVER_REASON.refused(refusal)
  const { driver: name, strict } = driverDemand()
  if (name === 'ring' || name === 'epoll') {
    const usable = name === 'epoll' || available
    const demanded = DRIVER_REASON.demanded(`SLUICE_DRIVER=${name}`)
    return { name, reason: usable ? demanded : `${demanded}, but ${why}`, demanded: true, usable }
  }
  if (!available && strict) {
    const reason = `${DRIVER_REASON.demanded('SLUICE_STRICT=1')}, but ${why}`
    return { name: 'ring', reason, demanded: true, usable: false }
  }
  return { name: available ? 'ring' : 'epoll', reason: why, demanded: false, usable: true }
}

/**
 * Finds out what this kernel and sandbox offer to this process, by trying it: io_uring and everything in it, limits,
 * userfaultfd, the file system of a path, means of tracing. It leaves nothing behind.
 *
 * @param path whose file system is looked at; the current folder by default
 * @throws `ERR_INVALID_ARG_TYPE`; the system error where the path cannot be looked at; `ERR_SLUICE_NATIVE` or
 *   `ERR_SLUICE_UNSUPPORTED` where Sluice cannot run at all
 */
export function probe(path = '.'): ProbeResult {
  if (typeof path !== 'string') throw invalidArgType('path', 'of type string', path)
  const sandbox = probeSandbox()
  const facts: ProbeFacts = {
    system: { kernel: release(), arch: process.arch, node: process.version, pageSize: PAGE_SIZE, ...sandbox },
    ioUring: probeIoUring(sandbox),
    limits: probeLimits(),
    userfaultfd: probeUserfaultfd(),
    path: probePath(path),
    tracing: probeTracing(),
  }
  return { version: 1, driver: chooseDriver(facts.ioUring), ...facts, advice: adviseOn(facts) }
}
