import { engine } from '../engine/index.js'
import { AT, O, pathBytes, syscall } from '../kernel/index.js'
import { prepareOpenAt } from '../ring/index.js'
import { checkSignal } from './arguments.js'
import { closeDescriptor, Descriptor } from './descriptor.js'
import { FileHandle } from './file-handle.js'
import { fileMode, filePath, type OpenFlags, openFlags, type PathLike, shownPath } from './open-flags.js'

/** How a file is opened. */
export interface OpenOptions {
  /** Permissions of a file that is created: a number, or octal digits. 0o666 by default, less the process's umask. */
  mode?: number | string | undefined
  signal?: AbortSignal | undefined
}

const DEFAULT_MODE = 0o666

/**
 * Opens a file.
 *
 * @param flags as of `fs.open()`: `'r'`, `'w+'`, or `O` flags
 * @param options or, as in Node, just the mode
 * @returns a handle that closes the descriptor; rejects with the system error of open(2), or an argument error
 * @see openat(2)
 */
export async function open(
  path: PathLike,
  flags: OpenFlags | null = 'r',
  options: OpenOptions | number | string | null = {},
): Promise<FileHandle> {
  const name = filePath(path)
  const bytes = pathBytes(name)
  const number = openFlags(flags) | O.CLOEXEC | O.LARGEFILE
  const { mode, signal }: OpenOptions = typeof options === 'object' ? (options ?? {}) : { mode: options }
  const permissions = fileMode(mode, DEFAULT_MODE)
  checkSignal(signal)
  const fd = await engine().run(
    (queue, userData) => prepareOpenAt(queue, AT.FDCWD, bytes, number, permissions, userData),
    {
      syscall: 'open',
      details: { path: shownPath(name) },
      held: bytes,
      signal,
      discard: late => syscall('close', late),
    },
  )
  return new FileHandle(new Descriptor(fd, number, closeDescriptor))
}
