import { engine } from '../engine/index.js'
import { AT, errnoOf, invalidArgValue, O, pathBytes, SluiceError, syscall } from '../kernel/index.js'
import { prepareOpenAt } from '../ring/index.js'
import { checkBoolean, checkSignal } from './arguments.js'
import { closeDescriptor, Descriptor } from './descriptor.js'
import { directAlignment } from './direct-alignment.js'
import { DirectIo, type UnalignedWrites } from './direct-io.js'
import { FileHandle } from './file-handle.js'
import { fileMode, filePath, type OpenFlags, openFlags, type PathLike, shownPath } from './open-flags.js'

/** How a file is opened. */
export interface OpenOptions {
  /** Permissions of a file that is created: a number, or octal digits. 0o666 by default, less the process's umask. */
  mode?: number | string | undefined
  /** Past the page cache: Direct I/O. Reads may be anywhere; for writes see `unaligned`. */
  direct?: boolean | undefined
  /**
   * With `direct`, what is done with a write whose position or length is no multiple of the block: it is refused with
   * `ERR_SLUICE_ALIGNMENT`, the default, or the blocks are read, modified and written.
   */
  unaligned?: UnalignedWrites | undefined
  signal?: AbortSignal | undefined
}

const DEFAULT_MODE = 0o666
const OWN = { close: closeDescriptor, isOwn: true }
const EINVAL = -errnoOf('EINVAL')

/**
 * Opens a file.
 *
 * @param flags as of `fs.open()`: `'r'`, `'w+'`, or `O` flags
 * @param options or, as in Node, just the mode
 * @returns a handle that closes the descriptor; rejects with the system error of open(2), an argument error, or
 *   `ERR_SLUICE_UNSUPPORTED` where there is no Direct I/O
 * @see openat(2)
 */
export async function open(
  path: PathLike,
  flags: OpenFlags | null = 'r',
  options: OpenOptions | number | string | null = {},
): Promise<FileHandle> {
  const name = filePath(path)
  const bytes = pathBytes(name)
  const given: OpenOptions = typeof options === 'object' ? (options ?? {}) : { mode: options }
  const { mode, direct = false, unaligned = 'refuse', signal } = given
  const number = openFlags(flags) | O.CLOEXEC | O.LARGEFILE | (direct === true ? O.DIRECT : 0)
  const permissions = fileMode(mode, DEFAULT_MODE)
  checkBoolean(direct, 'options.direct')
  if (unaligned !== 'refuse' && unaligned !== 'modify') {
    throw invalidArgValue('options.unaligned', unaligned, 'is not refuse or modify')
  }
  checkSignal(signal)
  const opening = engine().run(
    (queue, userData) => prepareOpenAt(queue, AT.FDCWD, bytes, number, permissions, userData),
    {
      syscall: 'open',
      details: { path: shownPath(name) },
      held: bytes,
      signal,
      discard: late => syscall('close', late),
    },
  )
  if (!direct) return new FileHandle(new Descriptor(await opening, number, OWN))
  return openedDirect(await opening.catch(explain), number, unaligned)
}

/** open(2) calls Direct I/O that is not offered an invalid argument. */
function explain(error: NodeJS.ErrnoException): never {
  if (error.errno !== EINVAL) throw error
  const text = `${error.path} cannot be read or written past the page cache: its file system offers no Direct I/O`
  throw new SluiceError('ERR_SLUICE_UNSUPPORTED', text, { cause: error })
}

async function openedDirect(fd: number, flags: number, unaligned: UnalignedWrites): Promise<FileHandle> {
  try {
    const alignment = await directAlignment(fd)
    const detour = new DirectIo(alignment, unaligned)
    return new FileHandle(new Descriptor(fd, flags, OWN, detour), alignment)
  } catch (error) {
    await closeDescriptor(fd)
    throw error
  }
}
