import { constants } from 'node:buffer'
import {
  AT,
  checkInteger,
  invalidArgType,
  invalidArgValue,
  MAP,
  outOfRange,
  PAGE_SIZE,
  PROT,
  S,
  STATX,
  StatxView,
  syscall,
  systemError,
} from '../kernel/index.js'

/** A descriptor, or what has one: a file of ours or Node's `FileHandle`. */
export type FileLike = number | { readonly fd: number }

/** How a {@link Mapping} is made. */
export interface MappingOptions {
  /** The file; without one, the memory is anonymous and starts zeroed. It may be closed afterwards. */
  file?: FileLike
  /** Where in the file the mapping begins, in bytes; 0 by default, any number. */
  offset?: number
  /** Bytes; the rest of a regular file by default. */
  length?: number
  /** `read` by default for a file, `write` for anonymous memory. */
  access?: 'read' | 'write'
  /**
   * Whether what is written reaches the file (and other processes that share the memory).
   *
   * By default `true` with `write` and `false` with `read`: a stray write into memory that was mapped for reading
   * then changes a private copy of the page. With `read` and `shared: true` the memory is truly read-only, and a
   * write through `bytes` ends the process by SIGSEGV.
   */
  shared?: boolean
  /**
   * `transparent` asks the kernel to use huge pages where it can; `2MiB` and `1GiB` take them from the pool that the
   * administrator has reserved (`ENOMEM` where there are too few).
   */
  hugePages?: 'transparent' | '2MiB' | '1GiB'
  /** Reads every page in now rather than at its first touch. */
  populate?: boolean
  /** Keeps the pages in memory, as `lock()`. */
  lock?: boolean
  /** With a file that is shared: only on a DAX file system (MAP_SYNC), else `ENOTSUP`. */
  dax?: boolean
}

const HUGE = {
  transparent: { flags: 0, page: PAGE_SIZE },
  '2MiB': { flags: MAP.HUGETLB | MAP.HUGE_2MB, page: 2 ** 21 },
  '1GiB': { flags: MAP.HUGETLB | MAP.HUGE_1GB, page: 2 ** 30 },
} as const

const MAX_DESCRIPTOR = 2 ** 31 - 1

/** A mapping's place: what mmap(2) is told, and where in it the bytes begin. */
export interface Place {
  fd: number
  offset: number
  length: number
  /** Bytes between the first page's beginning and the first byte that was asked for. */
  lead: number
}

function descriptor(file: FileLike): number {
  const fd = typeof file === 'object' && file !== null ? file.fd : file
  if (typeof fd !== 'number')
    throw invalidArgType('options.file', 'of type number or an object with an fd', file)
  checkInteger(fd, 'options.file', 0, MAX_DESCRIPTOR)
  return fd
}

/** The bytes of a regular file; undefined for a device, whose size the kernel does not tell here. */
function fileSize(fd: number): number | undefined {
  const stat = new StatxView()
  const empty = new Uint8Array(new ArrayBuffer(8))
  const result = syscall('statx', fd, empty, AT.EMPTY_PATH, STATX.BASIC_STATS, stat.buffer)
  if (result < 0) throw systemError(result, 'fstat')
  return (stat.mode & S.IFMT) === S.IFREG ? stat.size : undefined
}

/** Where the mapping goes. A page that lies wholly behind the file's end would be SIGBUS at its first touch. */
function placeOf(options: MappingOptions, page: number): Place {
  const { file, offset = 0, length } = options
  checkInteger(offset, 'options.offset', 0)
  if (length !== undefined) checkInteger(length, 'options.length', 1)
  if (file === undefined) {
    if (length === undefined) throw invalidArgType('options.length', 'of type number', length)
    if (offset !== 0) throw outOfRange('options.offset', '0 without a file', offset)
    return bounded({ fd: -1, offset: 0, length, lead: 0 })
  }
  const fd = descriptor(file)
  const size = fileSize(fd)
  if (size === undefined && length === undefined)
    throw invalidArgType('options.length', 'of type number', length)
  if (size !== undefined && offset >= size) {
    throw outOfRange('options.offset', `below the file's size, ${size}`, offset)
  }
  const rest = size === undefined ? Number.MAX_SAFE_INTEGER : size - offset
  if (length !== undefined && length > rest) {
    throw outOfRange('options.length', `at most ${rest}, where the file ends`, length)
  }
  const lead = offset % page
  return bounded({ fd, offset: offset - lead, length: length ?? rest, lead })
}

/** V8 ends the process over an ArrayBuffer that is longer than it allows. */
function bounded(place: Place): Place {
  const most = constants.MAX_LENGTH - place.lead
  if (place.length <= most) return place
  throw outOfRange('options.length', `at most ${most}, as much as one ArrayBuffer holds`, place.length)
}

function protectionOf(access: 'read' | 'write', shared: boolean): number {
  return access === 'read' && shared ? PROT.READ : PROT.READ | PROT.WRITE
}

function flagsOf({ file, dax = false }: MappingOptions, access: 'read' | 'write', shared: boolean): number {
  if (dax && (file === undefined || !shared)) {
    throw invalidArgValue('options.dax', dax, 'needs a file that is mapped shared')
  }
  if (dax) return MAP.SHARED_VALIDATE | MAP.SYNC
  // A private copy of a file that is only read takes no memory: nothing need be set aside for it.
  const reserve = file !== undefined && !shared && access === 'read' ? MAP.NORESERVE : 0
  return (shared ? MAP.SHARED : MAP.PRIVATE) | reserve | (file === undefined ? MAP.ANONYMOUS : 0)
}

/** What mmap(2) is asked for. */
export interface MappingRequest {
  access: 'read' | 'write'
  shared: boolean
  /** Bytes of a page. */
  pageSize: number
  place: Place
  /** Bytes to map: the lead and the length, in whole pages where they are huge. */
  mapped: number
  protection: number
  flags: number
}

/** Checks a mapping's options and fills in what they leave out. @throws as `new Mapping()` */
export function resolveMapping(options: MappingOptions): MappingRequest {
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options)
  const { file, access = file === undefined ? 'write' : 'read', hugePages } = options
  if (access !== 'read' && access !== 'write')
    throw invalidArgValue('options.access', access, 'is not read or write')
  const { shared = file !== undefined && access === 'write' } = options
  if (typeof shared !== 'boolean') throw invalidArgType('options.shared', 'of type boolean', shared)
  if (hugePages !== undefined && !Object.hasOwn(HUGE, hugePages)) {
    throw invalidArgValue('options.hugePages', hugePages, 'is not transparent, 2MiB or 1GiB')
  }
  const huge = HUGE[hugePages ?? 'transparent']
  const place = placeOf(options, huge.page)
  // munmap(2) takes whole huge pages only; ordinary ones it rounds by itself.
  const extent = place.lead + place.length
  const mapped = huge.flags === 0 ? extent : Math.ceil(extent / huge.page) * huge.page
  if (mapped > constants.MAX_LENGTH) bounded({ ...place, length: mapped })
  const flags = flagsOf(options, access, shared) | huge.flags
  return {
    access,
    shared,
    pageSize: huge.page,
    place,
    mapped,
    protection: protectionOf(access, shared),
    flags,
  }
}
