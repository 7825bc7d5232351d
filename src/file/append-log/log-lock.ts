import { close, open } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { F, FLOCK, flock, SluiceError, syscall, systemError } from '../../kernel/index.js'

const openFile = promisify(open)
const closeFile = promisify(close)

/** The right to write to a log's directory. */
export interface LogLock {
  /** Gives it up. */
  release(): Promise<void>
}

/**
 * Makes this the directory's only writer, until `release()` or the end of the process: an OFD lock on its file `lock`,
 * which another open file of the same process respects too.
 *
 * @throws `ERR_SLUICE_LOCKED`; the system error of open(2) or fcntl(2)
 */
export async function lockDirectory(directory: string): Promise<LogLock> {
  const path = join(directory, 'lock')
  const fd = await openFile(path, 'a')
  const result = syscall('fcntl', fd, F.OFD_SETLK, flock(FLOCK.WRITE))
  if (result >= 0) return { release: () => closeFile(fd) }
  await closeFile(fd)
  const error = systemError(result, 'fcntl', { path })
  if (error.code !== 'EAGAIN' && error.code !== 'EACCES') throw error
  throw new SluiceError('ERR_SLUICE_LOCKED', `${directory} has another writer`, { cause: error })
}
