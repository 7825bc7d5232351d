import type { Method } from './method.js'

/** What can be looked at. Each only ever grows. */
export type Quantity =
  | 'systemCalls'
  | 'contextSwitches'
  | 'voluntarySwitches'
  | 'migrations'
  | 'pageFaults'
  | 'majorFaults'
  | 'userUs'
  | 'systemUs'
  | 'cpuUs'
  | 'kernelThreadUs'
  | 'bytesAsked'
  | 'bytesGiven'
  | 'bytesFetched'
  | 'bytesStored'

/** Quantities as they stand at one moment; undefined or absent where nobody can tell. */
export type Reading = Partial<Record<Quantity, number>>

/** Something that knows quantities. */
export interface Source {
  readonly method: Method
  /** Puts what it knows into `reading`, as it stands now. */
  read(reading: Reading): void
  close(): void
  /** The quantities that `read` puts there. */
  readonly quantities: readonly Quantity[]
}
