import { invalidArgType, invalidArgValue } from '../../kernel/index.js'

/**
 * How a file's contents were copied: not at all, the new file shares the old one's extents (`reflink`); inside the kernel
 * or by the server (`copy_file_range`); from the page cache by way of a mapping, which another thread pages in ahead of
 * the writes (`map`); by reads and writes of the engine (`ring`); or in one read and write, for a file that fits into a
 * buffer (`buffer`).
 */
export type CopyMethod = 'reflink' | 'copy_file_range' | 'map' | 'ring' | 'buffer'

/** How files are copied. */
export interface CopyOptions {
  /** Keeps times, ownership, all mode bits, extended attributes (ACLs among them) and hard links. */
  preserve?: boolean
  /** Whether extents are shared where the file system can: `auto`, the default; `never`; or `always`, else it fails. */
  reflink?: 'auto' | 'always' | 'never'
  /** Demands a method for contents, for comparisons; chosen by default. */
  via?: Exclude<CopyMethod, 'reflink' | 'buffer'>
  /** Ends it: what was begun is removed, and it rejects with `AbortError`. */
  signal?: AbortSignal
  /** Is told of progress, at most once for each few files and for each 4 MiB. */
  onProgress?: (progress: CopyProgress) => void
}

/** How far a copy is. */
export interface CopyProgress {
  /** Regular files copied. */
  files: number
  /** Bytes copied; holes count. */
  bytes: number
  directories: number
  /** Symbolic links and special files made, and hard links. */
  links: number
}

/** Something that could not be copied, and why. */
export interface CopyFailure {
  path: string
  dest: string
  error: NodeJS.ErrnoException
}

/** What came of copying a tree. */
export interface CopyReport extends CopyProgress {
  /** What could not be copied; everything else was. */
  failures: CopyFailure[]
  /** How often each method was used. */
  methods: Partial<Record<CopyMethod, number>>
}

const METHODS: readonly unknown[] = [undefined, 'copy_file_range', 'map', 'ring']
const REFLINK: readonly unknown[] = [undefined, 'auto', 'always', 'never']

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` */
export function checkCopyOptions(options: CopyOptions): void {
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options)
  const { preserve, reflink, via, signal, onProgress } = options
  if (preserve !== undefined && typeof preserve !== 'boolean') {
    throw invalidArgType('options.preserve', 'of type boolean', preserve)
  }
  if (!REFLINK.includes(reflink))
    throw invalidArgValue('options.reflink', reflink, 'is not auto, always or never')
  if (!METHODS.includes(via)) throw invalidArgValue('options.via', via, 'is not copy_file_range, map or ring')
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal)
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalidArgType('options.onProgress', 'of type function', onProgress)
  }
}
