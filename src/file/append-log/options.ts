import { resolve } from 'node:path'
import { checkInteger, invalidArgType, invalidArgValue } from '../../kernel/index.js'
import { filePath, type PathLike } from '../open-flags.js'
import { FRAME, frameSize, MAX_RECORD, SEGMENT } from './format.js'

/** How the file of a segment is made ready, so that a sync need not write metadata. */
export type Preallocation = 'zeros' | 'extents' | 'none'

/** How an `AppendLog` is opened. */
export interface AppendLogOptions {
  /** Bytes after which a new segment begins; 16 MiB by default. A larger batch makes a larger segment. */
  segmentBytes?: number
  /**
   * `zeros` writes a segment full of zeros beforehand, so that each sync writes data only; `extents` reserves its space;
   * `none` lets it grow. `auto`, the default, is `zeros`, and `none` where a file system never overwrites in place.
   */
  preallocate?: Preallocation | 'auto'
  /** Bytes of records that may be gathered while a batch is written; 8 MiB by default. No record is longer. */
  queueBytes?: number
  /** What `append()` does when they are: waits its turn, or rejects. `wait` by default. */
  full?: 'wait' | 'reject'
  /** Appends that may wait at most; further ones reject. 65536 by default. */
  maxWaiting?: number
  /** Which old segments are removed when a new one begins. None by default. */
  retain?: {
    /** Those that lie wholly further back than so many bytes. */
    bytes?: number
    /** Those last written to more milliseconds ago. */
    ageMs?: number
  }
  /**
   * What to do where records that were on stable storage are damaged: `reject`, the default, refuses to open; `keep`
   * opens after the last intact record, and readers are told when they come to the damage.
   */
  damaged?: 'reject' | 'keep'
}

/** Options, checked and complete. */
export interface LogSettings {
  segmentBytes: number
  preallocate: Preallocation | 'auto'
  queueBytes: number
  full: 'wait' | 'reject'
  maxWaiting: number
  retainBytes: number
  retainAgeMs: number
  damaged: 'reject' | 'keep'
}

function checkChoice<T extends string>(value: T, name: string, choices: readonly T[]): T {
  if (choices.includes(value)) return value
  throw invalidArgValue(name, value, `is not one of ${choices.join(', ')}`)
}

/**
 * Where a log is: an absolute path, so that it stays the same when the process goes to another directory.
 *
 * @throws `ERR_INVALID_ARG_TYPE`; `ERR_INVALID_ARG_VALUE` for bytes that are not UTF-8
 */
export function logDirectory(directory: PathLike): string {
  const path = filePath(directory)
  if (typeof path === 'string') return resolve(path)
  const text = Buffer.from(path).toString()
  if (Buffer.from(text).equals(path)) return resolve(text)
  throw invalidArgValue('directory', path, 'is not UTF-8')
}

/** Checks options and fills in what they leave out. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` and the like */
export function logSettings(options: AppendLogOptions): LogSettings {
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options)
  const { segmentBytes = 2 ** 24, queueBytes = 2 ** 23, maxWaiting = 65536, retain = {} } = options
  const { bytes = Number.POSITIVE_INFINITY, ageMs = Number.POSITIVE_INFINITY } = retain
  checkInteger(segmentBytes, 'options.segmentBytes', SEGMENT.SIZE + frameSize(0), 2 ** 40)
  checkInteger(queueBytes, 'options.queueBytes', frameSize(0), MAX_RECORD + FRAME.SIZE)
  checkInteger(maxWaiting, 'options.maxWaiting', 0)
  if (bytes !== Number.POSITIVE_INFINITY) checkInteger(bytes, 'options.retain.bytes', 0)
  if (ageMs !== Number.POSITIVE_INFINITY) checkInteger(ageMs, 'options.retain.ageMs', 0)
  return {
    segmentBytes,
    queueBytes,
    maxWaiting,
    preallocate: checkChoice(options.preallocate ?? 'auto', 'options.preallocate', [
      'auto',
      'zeros',
      'extents',
      'none',
    ]),
    full: checkChoice(options.full ?? 'wait', 'options.full', ['wait', 'reject']),
    damaged: checkChoice(options.damaged ?? 'reject', 'options.damaged', ['reject', 'keep']),
    retainBytes: bytes,
    retainAgeMs: ageMs,
  }
}
