import { SluiceError } from '../kernel/index.js'
import type { CompletionCallback, SubmissionQueue } from '../ring/index.js'
import type { Driver, DriverStats } from './driver.js'

/** Being written. */
export class EpollDriver implements Driver {
  readonly name = 'epoll'
  readonly submissions!: SubmissionQueue
  readonly fd = -1

  constructor(_options: { entries: number; threads: number | undefined }) {
    throw new SluiceError('ERR_SLUICE_UNSUPPORTED', 'being written')
  }

  submit(): number {
    return 0
  }
  reap(_callback: CompletionCallback): number {
    return 0
  }
  supports(): boolean {
    return false
  }
  stats(): DriverStats {
    return { enters: 0, overflows: 0 }
  }
  close(): void {}
}
