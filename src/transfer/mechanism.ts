import { errnoOf, SluiceError, systemError } from '../kernel/index.js'
import type { Endpoint } from './endpoint.js'
import type { Job } from './job.js'

/**
 * How bytes move.
 *
 * - `copy_file_range`: from file to file inside the file system, which may share blocks instead of copying
 * - `sendfile`: the page cache's pages, lent to a socket
 * - `splice`: pages through a pipe, from and to anything
 * - `tee`: as splice, to several sinks
 * - `vmsplice`: the page cache's pages by way of a mapping and a pipe
 * - `preadv2`: copied out of the page cache without ever waiting, and sent: two calls for a small file
 * - `send_zc`: read into registered memory, which the socket then sends from
 * - `read+write`: copied into memory of ours and out again; what always works
 * - `stream`: read, and given to a Node stream that has no descriptor of its own
 */
export type Via =
  | 'copy_file_range'
  | 'sendfile'
  | 'splice'
  | 'tee'
  | 'vmsplice'
  | 'preadv2'
  | 'send_zc'
  | 'read+write'
  | 'stream'

/** One way for bytes to move. */
export interface Mechanism {
  readonly name: Via
  /** @returns why it cannot move bytes between these two; undefined where it may */
  unfit(source: Endpoint, sink: Endpoint): string | undefined
  /**
   * Moves bytes until the job is done, and counts each in the job when it has reached the sink. It can take over a job
   * that another mechanism has begun.
   *
   * @throws {@link Unsuitable} where the kernel refuses these two; the rest of the job is as it says
   */
  run(job: Job): Promise<void>
}

/** Thrown by a mechanism that cannot go on, where another may. */
export class Unsuitable extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause })
  }
}

/** Answers by which the kernel, or a file system, says that it does not do this at all. */
const REFUSALS: ReadonlySet<number> = new Set(
  ['EINVAL', 'ENOSYS', 'EOPNOTSUPP', 'EXDEV', 'EBADF', 'ETXTBSY'].map(name => -errnoOf(name)),
)

/** Throws what a call's negative result means. @throws {@link Unsuitable}, or the system error */
export function failed(result: number, syscall: string): never {
  const error = systemError(result, syscall)
  throw REFUSALS.has(result) ? new Unsuitable(error) : error
}

/** As {@link failed}, for an operation of the engine that was rejected. */
export function rejected(error: unknown): never {
  const { errno } = error as NodeJS.ErrnoException
  if (error instanceof Error && errno !== undefined && REFUSALS.has(errno)) throw new Unsuitable(error)
  throw error
}

/** Whether there are no more descriptors, of the process or the machine. */
export function isExhaustion(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EMFILE' || code === 'ENFILE'
}

/** What is thrown where nothing can move the bytes, or what was demanded cannot. */
export function unsupported(via: string, source: Endpoint, sink: Endpoint, cause: unknown): SluiceError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const text = `${via} cannot move bytes from this ${source.kind} to this ${sink.kind}: ${reason}`
  return new SluiceError('ERR_SLUICE_UNSUPPORTED', text, cause instanceof Error ? { cause } : undefined)
}
