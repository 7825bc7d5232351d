import { readFileSync } from 'node:fs'
import { PERF_COUNT_SW, PERF_TYPE, RUSAGE, resourceUsage, tracepointNumber } from '../kernel/index.js'
import { kernelThreads } from './kernel-threads.js'
import { type CountedEvent, PerfCounter } from './perf-counter.js'
import { ProcessIoFile } from './process-io.js'
import type { Quantity, Reading, Source } from './reading.js'

const NS_PER_US = 1000

/** The threads of the kernel that work for this process. @throws where /proc cannot be read */
export function kernelThreadSource(): Source {
  kernelThreads()
  return {
    method: 'procfs',
    quantities: ['kernelThreadUs'],
    read(reading: Reading) {
      reading.kernelThreadUs = kernelThreads().cpuNs / NS_PER_US
    },
    close() {},
  }
}

/** /proc/self/io. @throws where it cannot be opened */
export function ioSource(): Source {
  const file = new ProcessIoFile()
  return {
    method: 'procfs',
    quantities: ['systemCalls', 'bytesAsked', 'bytesGiven', 'bytesFetched', 'bytesStored'],
    read(reading: Reading) {
      const io = file.read()
      reading.systemCalls = io.readCalls + io.writeCalls
      reading.bytesAsked = io.bytesAsked
      reading.bytesGiven = io.bytesGiven
      reading.bytesFetched = io.bytesFetched
      reading.bytesStored = io.bytesStored
    },
    close() {
      file.close()
    },
  }
}

/** getrusage(2) of the whole process. */
export function usageSource(): Source {
  return {
    method: 'getrusage',
    quantities: [
      'contextSwitches',
      'voluntarySwitches',
      'pageFaults',
      'majorFaults',
      'userUs',
      'systemUs',
      'cpuUs',
    ],
    read(reading: Reading) {
      const usage = resourceUsage(RUSAGE.SELF)
      reading.contextSwitches = usage.voluntarySwitches + usage.involuntarySwitches
      reading.voluntarySwitches = usage.voluntarySwitches
      reading.pageFaults = usage.minorFaults + usage.majorFaults
      reading.majorFaults = usage.majorFaults
      reading.userUs = usage.userUs
      reading.systemUs = usage.systemUs
      reading.cpuUs = usage.userUs + usage.systemUs
    },
    close() {},
  }
}

function counterSource(
  method: Source['method'],
  quantity: Quantity,
  event: CountedEvent,
  unit: number,
): Source {
  const counter = new PerfCounter(event)
  return {
    method,
    quantities: [quantity],
    read(reading: Reading) {
      reading[quantity] = counter.read() / unit
    },
    close() {
      counter.close()
    },
  }
}

/** Software counters of perf. @throws the system error of perf_event_open(2) */
export function perfSources(): Source[] {
  const events: [Quantity, number, number][] = [
    ['cpuUs', PERF_COUNT_SW.TASK_CLOCK, NS_PER_US],
    ['pageFaults', PERF_COUNT_SW.PAGE_FAULTS, 1],
    ['majorFaults', PERF_COUNT_SW.PAGE_FAULTS_MAJ, 1],
    ['migrations', PERF_COUNT_SW.CPU_MIGRATIONS, 1],
    ['contextSwitches', PERF_COUNT_SW.CONTEXT_SWITCHES, 1],
  ]
  const opened: Source[] = []
  try {
    for (const [quantity, config, unit] of events) {
      opened.push(counterSource('perf', quantity, { type: PERF_TYPE.SOFTWARE, config }, unit))
    }
  } catch (error) {
    for (const source of opened) source.close()
    throw error
  }
  return opened
}

/**
 * Every system call of the process, by the tracepoint at the kernel's entry.
 *
 * @throws the system error of perf_event_open(2); `Error` where the tracepoint's number cannot be learnt
 */
export function systemCallSource(): Source {
  const config = tracepointNumber('raw_syscalls/sys_enter')
  if (config === undefined) throw new Error('tracefs cannot be read: it is root’s')
  return counterSource('tracepoint', 'systemCalls', { type: PERF_TYPE.TRACEPOINT, config }, 1)
}

/** `kernel.perf_event_paranoid`; undefined where the kernel has no perf. */
export function perfParanoia(): number | undefined {
  try {
    return Number(readFileSync('/proc/sys/kernel/perf_event_paranoid', 'latin1'))
  } catch {
    return undefined
  }
}
