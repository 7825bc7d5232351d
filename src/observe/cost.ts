import type { Measured } from './method.js'

/** What something has cost the process, all of its threads. What could not be counted is absent. */
export interface Cost {
  /** Wall-clock time, in nanoseconds. */
  readonly elapsedNs: Measured
  /**
   * System calls. By `tracepoint`, all of them; by `procfs`, only those like read and write, so too few: io_uring_enter,
   * epoll_wait, futex and mmap are not among them.
   */
  readonly systemCalls?: Measured
  /** Times that a thread left the CPU, of its own will or not. */
  readonly contextSwitches: Measured
  /** Of those, the ones where it waited for something. */
  readonly voluntarySwitches: Measured
  /** Moves of a thread to another CPU. */
  readonly migrations?: Measured
  /** Page faults, those that waited for a device included. */
  readonly pageFaults: Measured
  /** Page faults that waited for a device. */
  readonly majorFaults: Measured
  /** CPU time in user space, in microseconds. */
  readonly userUs: Measured
  /** CPU time in the kernel, in microseconds; the threads that serve this process's rings included. */
  readonly systemUs: Measured
  /** CPU time, in microseconds: user and system together, and more exact than either. */
  readonly cpuUs: Measured
  /** Of the CPU time, what the kernel's threads for this process's rings had, in microseconds. */
  readonly kernelThreadUs?: Measured
  /** Bytes that read-like system calls returned. */
  readonly bytesAsked?: Measured
  /** Bytes that write-like system calls took. */
  readonly bytesGiven?: Measured
  /** Bytes fetched from a device, reading ahead included. */
  readonly bytesFetched?: Measured
  /** Bytes made to be written to a device, now or later. */
  readonly bytesStored?: Measured
}
