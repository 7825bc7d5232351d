import type { BufferTable } from '../memory/index.js'
import type {
  BlockRing,
  BlockRingOptions,
  BufferRing,
  BufferRingOptions,
  CompletionCallback,
  SubmissionQueue,
} from '../ring/index.js'

/** Which mechanism carries operations out. */
export type DriverName = 'ring' | 'epoll'

/** What a driver has cost so far. */
export interface DriverStats {
  /** Calls that handed over operations or asked for completions. */
  enters: number
  /** Times that completions had to be fetched from the kernel's overflow list. */
  overflows: number
}

/**
 * What stands under the engine. Operations are 64-byte submission entries on either driver: the kernel carries
 * them out on `ring`, and we do on `epoll`. So everything above is written once.
 */
export interface Driver {
  readonly name: DriverName
  /** Where `prepare*` functions write. */
  readonly submissions: SubmissionQueue
  /** Readable when completions wait; the engine puts it on the event loop. */
  readonly fd: number
  /** Hands over every entry prepared. Never blocks. @returns entries taken; fewer when it must be reaped first */
  submit(): number
  /**
   * Hands out every completion there is. Never blocks. Follows each `submit()`, which may have completed something.
   *
   * @param look false where only what `submit()` has completed is wanted: `fd` will tell of the rest. True by default
   * @returns how many
   */
  reap(callback: CompletionCallback, look?: boolean): number
  /** Whether an operation of `IORING_OP` can be carried out. */
  supports(operation: number): boolean
  /** Where memory is registered that operations name by index; undefined where there is no such table. */
  readonly buffers: BufferTable | undefined
  /** Registers memory for the kernel to pick from. @returns undefined where that cannot be had */
  blockRing(options: BlockRingOptions): BlockRing | undefined
  /** As `blockRing()`, memory that is given back. */
  bufferRing(options: BufferRingOptions): BufferRing | undefined
  /** Whether an entry can succeed in silence: on a ring, from kernel 5.17 on. */
  readonly silences: boolean
  /**
   * Lets the entry prepared last succeed in silence. It must end within its submission (`MSG_DONTWAIT`), for nobody
   * could say when it has: a driver may also have it complete as any other.
   */
  silence(): void
  /** To be called for each completion of an operation that was silenced: it failed, or fell short. */
  discountSilent(): void
  stats(): DriverStats
  /** Ends it. Nothing may be in flight. */
  close(): void
}
