import type { FileHandle as NodeFileHandle } from 'node:fs/promises'
import { checkInteger, checkObject, F, invalidArgType, O, syscall, systemError } from '../kernel/index.js'
import { checkBoolean } from './arguments.js'
import { BaseHandle } from './base-handle.js'
import {
  type ReadBatchOptions,
  type ReadExtent,
  readBatch,
  type WriteBatchOptions,
  type WriteExtent,
  writeBatch,
} from './batch.js'
import { type CloseDescriptor, closeDescriptor, Descriptor, type Ending } from './descriptor.js'
import { type DirectAlignment, directAlignmentNow } from './direct-alignment.js'
import { DirectIo } from './direct-io.js'
import { type Extent, type ExtentsOptions, extents } from './extents.js'
import { FileStream, type StreamOptions } from './file-stream.js'
import { FileWriter, type WriterOptions } from './file-writer.js'
import { type FileLock, type LockOptions, type LockRange, lock, unlock, wakeWaiting } from './lock.js'
import {
  type AllocateMode,
  advise,
  allocate,
  type FileAdvice,
  type SyncRangeOptions,
  syncRange,
} from './ranges.js'
import type { ReadResult } from './read.js'

const MAX_DESCRIPTOR = 2 ** 31 - 1

/** What stands for an open file: a descriptor, Node's handle, or ours. */
export type FileSource = number | FileHandle | NodeFileHandle

/** How `FileHandle.from()` takes a file over. */
export interface AdoptOptions {
  /** Closing the handle closes the descriptor, too. False by default: it stays its owner's. */
  own?: boolean
}

/** Closes what nobody can reach any more, as Node does, and says that somebody forgot to. */
const forgotten = new FinalizationRegistry<Descriptor>(descriptor => {
  process.emitWarning(`Closing file descriptor ${descriptor.fd} on garbage collection`)
  descriptor.close().catch((error: Error) => process.emitWarning(error))
})

/** An open file. Everything of Node's `FileHandle`, and what Linux has beyond. */
export class FileHandle extends BaseHandle {
  /** What Direct I/O asks for here, in bytes; undefined where the file goes through the page cache. */
  readonly direct: DirectAlignment | undefined
  #locked = false

  /** Only `open()` and `from()` make handles. */
  constructor(descriptor: Descriptor, direct?: DirectAlignment) {
    super(descriptor)
    this.direct = direct
    if (descriptor.isOwn) forgotten.register(this, descriptor, this)
  }

  /**
   * A handle on a file that is open already.
   *
   * The descriptor stays its owner's, who must keep it open until this handle is closed; with `own` it becomes the
   * handle's. A handle of ours is returned as it is. A file that was opened with O_DIRECT is read and written past the
   * page cache, as `open()` with `direct` does it: writes that are not of whole blocks reject with
   * `ERR_SLUICE_ALIGNMENT`. Where the file system offers no Direct I/O and took the flag all the same, the handle is a
   * plain one.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `EBADF` where there is no such descriptor
   */
  static from(source: FileSource, options: AdoptOptions = {}): FileHandle {
    if (source instanceof FileHandle) return source
    checkObject(options)
    const { own = false } = options
    checkBoolean(own, 'options.own')
    if (typeof source === 'object' && source !== null && typeof source.fd === 'number') {
      // Named in either case, so that Node does not collect its handle, and close the descriptor, under ours.
      const close: CloseDescriptor = async () => (own ? source.close() : undefined)
      return adopted(source.fd, { close })
    }
    if (typeof source !== 'number') {
      throw invalidArgType('source', 'of type number or an instance of FileHandle', source)
    }
    checkInteger(source, 'source', 0, MAX_DESCRIPTOR)
    const ending = own ? { close: closeDescriptor, isOwn: true } : { close: async () => {} }
    return adopted(source, ending)
  }

  /**
   * The file's bytes from `start` to `end`, as an async iterable with several reads in flight and a bound in memory.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
   */
  stream(options: StreamOptions = {}): FileStream {
    return new FileStream(this.descriptor, options)
  }

  /**
   * Writes the file from `start` on, with several writes in flight and a bound in memory.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_SLUICE_ALIGNMENT`
   */
  writer(options: WriterOptions = {}): FileWriter {
    return new FileWriter(this.descriptor, options)
  }

  /**
   * Reads many parts of the file in one submission.
   *
   * @param extents each with a `position`, and a `buffer` or the `length` of a new one
   * @returns `{ bytesRead, buffer }` for each; rejects with the first failure, once all are over
   */
  readBatch(
    extents: readonly ReadExtent[],
    options: ReadBatchOptions = {},
  ): Promise<ReadResult<ArrayBufferView>[]> {
    return this.whileOpen('read', descriptor => readBatch(descriptor, extents, options))
  }

  /** Writes many parts of the file in one submission. @returns how many bytes in all; rejects as `readBatch()` */
  writeBatch(
    extents: readonly WriteExtent[],
    options: WriteBatchOptions = {},
  ): Promise<{ bytesWritten: number }> {
    return this.whileOpen('write', descriptor => writeBatch(descriptor, extents, options))
  }

  /** Where the file has data and where holes, in order. @see lseek(2), SEEK_DATA */
  extents(options: ExtentsOptions = {}): AsyncGenerator<Extent, void> {
    return extents(this.descriptor, options)
  }

  /**
   * Reserves, frees or rearranges the space of a part of the file.
   *
   * @returns when it is done; rejects with `ENOTSUP` where the file system does not offer it
   * @see fallocate(2)
   */
  allocate(offset: number, length: number, mode: AllocateMode = 'reserve'): Promise<void> {
    return this.whileOpen('fallocate', descriptor => allocate(descriptor, offset, length, mode))
  }

  /** Says how a part of the file will be used. @param length 0 to the end @see posix_fadvise(2) */
  advise(advice: FileAdvice, offset = 0, length = 0): Promise<void> {
    return this.whileOpen('fadvise', descriptor => advise(descriptor, advice, offset, length))
  }

  /**
   * Has a part of the file written back. It makes nothing durable: neither what it takes to find the bytes nor the
   * device's own cache is seen to.
   *
   * @param length 0 to the end
   * @see sync_file_range(2)
   */
  syncRange(offset = 0, length = 0, options: SyncRangeOptions = {}): Promise<void> {
    return this.whileOpen('sync_file_range', descriptor => syncRange(descriptor, offset, length, options))
  }

  /**
   * Locks the file, or a part of it, against other open files, of this process too, that ask for a lock as well.
   *
   * @returns the lock, given up by `release()`, `await using`, or when the handle is closed; rejects with `EAGAIN`
   *   where it may not wait
   * @see fcntl(2), open file description locks
   */
  lock(options: LockOptions = {}): Promise<FileLock> {
    this.#locked = true
    return this.whileOpen('fcntl', descriptor => lock(descriptor, options))
  }

  /** Gives up the locks on the file, or on a part of it. */
  unlock(range: LockRange = {}): Promise<void> {
    return this.whileOpen('fcntl', descriptor => unlock(descriptor, range))
  }

  override close(): Promise<void> {
    forgotten.unregister(this)
    const closed = super.close()
    if (this.#locked) {
      wakeWaiting()
      closed.then(wakeWaiting, wakeWaiting)
    }
    return closed
  }
}

function adopted(fd: number, ending: Ending): FileHandle {
  const flags = flagsOf(fd)
  const plain = new Descriptor(fd, flags, ending)
  // A pipe has the same flag, with another meaning.
  if ((flags & O.DIRECT) === 0 || !plain.seekable) return new FileHandle(plain)
  const alignment = directAlignmentNow(fd)
  // Where there is none, as with a journal of data, the kernel goes through the page cache whatever the flag says.
  if (alignment === undefined) return new FileHandle(plain)
  const detour = new DirectIo(alignment, 'refuse', true)
  return new FileHandle(new Descriptor(fd, flags, ending, detour), alignment)
}

/** What a descriptor was opened with. */
function flagsOf(fd: number): number {
  const flags = syscall('fcntl', fd, F.GETFL)
  if (flags < 0) throw systemError(flags, 'fcntl')
  return flags
}
