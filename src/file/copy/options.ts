import {
  checkAbortSignal,
  checkBoolean,
  checkFunction,
  checkObject,
  invalidArgValue,
} from '../../kernel/index.js'

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
  /**
   * Whether what is there is replaced: `always`, the default; `never`; or `older`, when it was modified before the source was.
   * Folders are added to in any case; what is read until it ends (a FIFO, a device) replaces what is there, however new.
   */
  overwrite?: 'always' | 'never' | 'older'
  /** Stays on the file system of what is copied: a folder on which another is mounted is made, and left empty. */
  oneFileSystem?: boolean
  /** Ends it: what was begun is removed, and it rejects with `AbortError`. */
  signal?: AbortSignal
  /** Is told of progress, at most once for each few files and for each 4 MiB. What it throws ends the copy, as an abort does. */
  onProgress?: (progress: CopyProgress) => void
  /** Is told of each thing that has been copied: from where, to where. A folder comes after what is in it. What it throws ends the copy, as an abort does. */
  onCopied?: (from: string, to: string) => void
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
  /** What was left as it was, as `overwrite` asks for. */
  skipped: number
  /** What could not be copied; everything else was. */
  failures: CopyFailure[]
  /** How often each method was used. */
  methods: Partial<Record<CopyMethod, number>>
}

const METHODS: readonly unknown[] = [undefined, 'copy_file_range', 'map', 'ring']
const OVERWRITE: readonly unknown[] = [undefined, 'always', 'never', 'older']
const REFLINK: readonly unknown[] = [undefined, 'auto', 'always', 'never']

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` */
export function checkCopyOptions(options: CopyOptions): void {
  checkObject(options)
  const { preserve, reflink, via, overwrite, oneFileSystem, signal, onProgress, onCopied } = options
  if (preserve !== undefined) checkBoolean(preserve, 'options.preserve')
  if (!REFLINK.includes(reflink))
    throw invalidArgValue('options.reflink', reflink, 'is not auto, always or never')
  if (!METHODS.includes(via)) throw invalidArgValue('options.via', via, 'is not copy_file_range, map or ring')
  if (!OVERWRITE.includes(overwrite))
    throw invalidArgValue('options.overwrite', overwrite, 'is not always, never or older')
  if (oneFileSystem !== undefined) checkBoolean(oneFileSystem, 'options.oneFileSystem')
  checkAbortSignal(signal, 'options.signal')
  if (onProgress !== undefined) checkFunction(onProgress, 'options.onProgress')
  if (onCopied !== undefined) checkFunction(onCopied, 'options.onCopied')
}
