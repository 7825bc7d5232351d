import { closeSync, fstatSync, openSync, realpathSync } from 'node:fs'
import { invalidArgValue, SluiceError } from '../kernel/index.js'
import { type Goal, readsFile } from './mechanism.js'
import { ScratchFile, scratchFolder } from './scratch.js'
import { MIB } from './sizes.js'

/** A file that rows work on. */
export interface LabFile {
  readonly fd: number
  /** Undefined for a temporary file, which has no name. */
  readonly path: string | undefined
  /** Bytes of it that are used. */
  readonly bytes: number
}

/** What files a run needs. */
export interface FilesWanted {
  file: string | undefined
  /** Whether some rows need none. */
  nothing?: boolean
  reads: boolean
  writes: boolean
  readBytes: number
  writeBytes: number
  /** How long making them may take. */
  timeMs: number
}

/** The files of a run: what is read, what is written to, and where temporary ones are. */
export class LabFiles {
  /** Undefined where no row reads. */
  read: LabFile | undefined
  /** Undefined where no row writes, or there is no room. */
  write: LabFile | undefined
  /** For rows that need none, so that all are run alike. Undefined where there are no such rows. */
  nothing: LabFile | undefined
  /** Where temporary files are; undefined where there is no room, or none is needed. */
  folder: string | undefined
  readonly #close: (() => void)[] = []

  /**
   * Opens what there is and makes what there is not.
   *
   * @throws `ERR_INVALID_ARG_VALUE` for a file that is empty or not a regular one; the system error of open(2);
   *   `ERR_SLUICE_UNSUPPORTED` where there is no room for a file to read
   */
  constructor(wanted: FilesWanted) {
    const { file, nothing, reads, writes, readBytes, writeBytes, timeMs } = wanted
    const parts = (reads && file === undefined ? 1 : 0) + (writes ? 1 : 0)
    try {
      if (nothing) this.nothing = this.#none(readBytes)
      if (reads && file !== undefined) this.read = this.#given(file, readBytes)
      if (parts > 0) this.folder = scratchFolder(readBytes + writeBytes, file)
      if (reads && file === undefined) this.read = this.#made(readBytes, timeMs / parts)
      if (writes && this.folder !== undefined) this.write = this.#made(writeBytes, timeMs / parts)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** What rows of a goal work on. @returns undefined where there was no room for it */
  of(goal: Goal): LabFile | undefined {
    if (goal.startsWith('net/')) return this.nothing
    return readsFile(goal) ? this.read : this.write
  }

  #none(bytes: number): LabFile {
    const fd = openSync('/dev/null', 'r')
    this.#close.push(() => closeSync(fd))
    return { fd, path: undefined, bytes }
  }

  #given(file: string, bytes: number): LabFile {
    const fd = openSync(file, 'r')
    this.#close.push(() => closeSync(fd))
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw invalidArgValue('options.file', file, 'is not a regular file')
    if (stat.size === 0) throw invalidArgValue('options.file', file, 'is empty')
    return { fd, path: realpathSync(file), bytes: Math.min(stat.size, bytes) }
  }

  #made(bytes: number, timeMs: number): LabFile {
    if (this.folder === undefined) {
      const text = `No folder has room for a temporary file of ${Math.ceil(bytes / MIB)} MiB`
      throw new SluiceError('ERR_SLUICE_UNSUPPORTED', text)
    }
    const scratch = new ScratchFile(this.folder, bytes, timeMs)
    this.#close.push(() => scratch.close())
    return { fd: scratch.fd, path: undefined, bytes: Math.min(scratch.size, bytes) }
  }

  /** Closes them; temporary ones are gone with that. */
  close(): void {
    for (const close of this.#close.splice(0)) close()
  }
}
