import { EventEmitter } from 'node:events'
import type { BigIntStats, ReadStream, Stats, WriteStream } from 'node:fs'
import { createInterface, type Interface } from 'node:readline'
import type { ReadableStream } from 'node:stream/web'
import { engine } from '../engine/index.js'
import { type ContentOptions, checkViews, filePosition } from './arguments.js'
import { type Content, readFile, writeAndFlush } from './content.js'
import { closedError, type Descriptor } from './descriptor.js'
import { chmod, chown, type StatOptions, stat, sync, truncate, utimes } from './metadata.js'
import {
  createReadStream,
  createWriteStream,
  type ReadStreamOptions,
  type StreamSource,
  type WriteStreamOptions,
} from './node-streams.js'
import {
  type Position,
  type ReadOptions,
  readOverload,
  type WriteOptions,
  writeOverload,
} from './overloads.js'
import { finishRead, INLINE_READ, type ReadResult, type ReadVectorResult, readIntoAll } from './read.js'
import { readableWebStream, type WebStreamOptions } from './web-stream.js'
import { finishWrite, type WriteResult, type WriteVectorResult, writeFromAll } from './write.js'

type View = ArrayBufferView

function invalidState(text: string): Error {
  return Object.assign(new Error(`Invalid state: ${text}`), { code: 'ERR_INVALID_STATE' })
}

/**
 * Whether a read or write is of the common kind: a part of a buffer, a position, little enough to be copied here. It
 * costs a few comparisons and is then on its way; every other call goes the long way round.
 */
function isCommon(buffer: unknown, offset: unknown, length: unknown, position: unknown): boolean {
  const from = offset as number
  const bytes = length as number
  return (
    ArrayBuffer.isView(buffer) &&
    (from | 0) === from &&
    (bytes | 0) === bytes &&
    Number.isSafeInteger(position) &&
    from >= 0 &&
    bytes > 0 &&
    bytes <= INLINE_READ &&
    (position as number) >= 0 &&
    from + bytes <= buffer.byteLength
  )
}

/**
 * What Node's own `FileHandle` has, on the engine: same methods, arguments, results and errors.
 *
 * Beyond Node's: operations at the file's own position (none given, null or -1) take their turns in the order of
 * asking, `readFile()` and `writeFile()` as a whole; a handle takes no new operations from the moment that `close()` is
 * called; and a position that is no whole number is refused rather than taken for none.
 *
 * @see the class `FileHandle` of `node:fs`
 */
export class BaseHandle extends EventEmitter {
  /** What is underneath; open until the last operation is over, whatever `fd` says. */
  protected readonly descriptor: Descriptor
  #fd: number
  #closing: Promise<void> | undefined
  #locked = false
  /** Whether the plain read and write go straight to the engine. */
  readonly #plain: boolean

  /** Only `open()` and `FileHandle.from()` make handles. */
  constructor(descriptor: Descriptor) {
    super()
    this.descriptor = descriptor
    this.#fd = descriptor.fd
    this.#plain = descriptor.detour === undefined
  }

  /** The descriptor; -1 from `close()` on. */
  get fd(): number {
    return this.#fd
  }

  /** Runs what needs an open handle. @param name what the error says was tried */
  protected whileOpen<T>(name: string, body: (descriptor: Descriptor) => Promise<T>): Promise<T> {
    if (this.#fd < 0) return Promise.reject(closedError(name))
    try {
      return body(this.descriptor)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Reads at most `length` bytes into `buffer` from `offset` on, from `position` in the file; by default into all of the
   * buffer, at the file's own position.
   *
   * @returns `{ bytesRead, buffer }`; 0 bytes at the end of the file. The buffer is the kernel's until then.
   * @see pread(2)
   */
  read<T extends View>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: Position,
  ): Promise<ReadResult<T>>
  read<T extends View>(buffer: T, options?: ReadOptions): Promise<ReadResult<T>>
  read<T extends View = Buffer>(options?: (ReadOptions & { buffer?: T }) | null): Promise<ReadResult<T>>
  read(buffer?: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<unknown> {
    if (isCommon(buffer, offset, length, position) && this.#plain && this.#fd >= 0) {
      return engine().read(
        this.#fd,
        buffer as View,
        offset as number,
        length as number,
        position as number,
        finishRead,
        undefined,
        this.descriptor,
      )
    }
    if (this.#fd < 0) return Promise.reject(closedError('read'))
    try {
      return readOverload(this.descriptor, buffer, offset, length, position)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Writes `length` bytes of `buffer` from `offset` on, to `position` in the file; by default all of the buffer, at the
   * file's own position. Or writes text: `write(text, position, encoding)`.
   *
   * @returns `{ bytesWritten, buffer }`. The buffer is the kernel's until then.
   * @see pwrite(2)
   */
  write<T extends View>(
    buffer: T,
    offset?: number | null,
    length?: number | null,
    position?: Position,
  ): Promise<WriteResult<T>>
  write<T extends View>(buffer: T, options?: WriteOptions): Promise<WriteResult<T>>
  write(text: string, position?: Position, encoding?: BufferEncoding | null): Promise<WriteResult<string>>
  write(buffer?: unknown, offset?: unknown, length?: unknown, position?: unknown): Promise<unknown> {
    const common = isCommon(buffer, offset, length, position)
    if (common && this.#plain && this.#fd >= 0 && this.descriptor.seekable) {
      return engine().write(
        this.#fd,
        buffer as View,
        offset as number,
        length as number,
        position as number,
        finishWrite,
        undefined,
        this.descriptor,
      )
    }
    if (this.#fd < 0) return Promise.reject(closedError('write'))
    try {
      return writeOverload(this.descriptor, buffer, offset, length, position)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Reads into several buffers, filled one after the other. @see preadv(2) */
  readv<T extends readonly View[]>(buffers: T, position?: Position): Promise<ReadVectorResult<T>> {
    return this.whileOpen('readv', descriptor => {
      checkViews(buffers)
      return readIntoAll(descriptor, buffers, filePosition(position)) as Promise<ReadVectorResult<T>>
    })
  }

  /** Writes several buffers, one after the other. @see pwritev(2) */
  writev<T extends readonly View[]>(buffers: T, position?: Position): Promise<WriteVectorResult<T>> {
    return this.whileOpen('writev', descriptor => {
      checkViews(buffers)
      return writeFromAll(descriptor, buffers, filePosition(position)) as Promise<WriteVectorResult<T>>
    })
  }

  /** Reads from the file's position to its end: bytes, or text where an encoding is given. */
  readFile(
    options?: { encoding?: null | undefined; signal?: AbortSignal | undefined } | null,
  ): Promise<Buffer>
  readFile(
    options: { encoding: BufferEncoding; signal?: AbortSignal | undefined } | BufferEncoding,
  ): Promise<string>
  readFile(options?: ContentOptions | BufferEncoding | null): Promise<Buffer | string> {
    return this.whileOpen('readFile', descriptor => readFile(descriptor, options))
  }

  /** Writes text, bytes, or what an iterable yields, at the file's position. Nothing is cut off beyond. */
  writeFile(data: Content, options?: ContentOptions | BufferEncoding | null): Promise<void> {
    return this.whileOpen('writeFile', descriptor => writeAndFlush(descriptor, data, options))
  }

  /** As `writeFile()`: it appends where the file was opened so. */
  appendFile(data: Content, options?: ContentOptions | BufferEncoding | null): Promise<void> {
    return this.writeFile(data, options)
  }

  /** What the file system knows of the file. @see fstat(2) */
  stat(options: StatOptions & { bigint: true }): Promise<BigIntStats>
  stat(options?: StatOptions & { bigint?: false | undefined }): Promise<Stats>
  stat(options?: StatOptions): Promise<Stats | BigIntStats> {
    return this.whileOpen('fstat', descriptor => stat(descriptor, options))
  }

  /** Makes the file durable, with all that is known of it. @see fsync(2) */
  sync(): Promise<void> {
    return this.whileOpen('fsync', descriptor => sync(descriptor, false))
  }

  /** Makes the file's bytes durable, and what it takes to find them. @see fdatasync(2) */
  datasync(): Promise<void> {
    return this.whileOpen('fdatasync', descriptor => sync(descriptor, true))
  }

  /** Cuts the file, or extends it by a hole, to `length` bytes. @see ftruncate(2) */
  truncate(length = 0): Promise<void> {
    return this.whileOpen('ftruncate', descriptor => truncate(descriptor, length))
  }

  /** Sets the permissions. @param mode a number, or octal digits @see fchmod(2) */
  chmod(mode: number | string): Promise<void> {
    return this.whileOpen('fchmod', descriptor => chmod(descriptor, mode))
  }

  /** Sets owner and group; -1 leaves one as it is. @see fchown(2) */
  chown(uid: number, gid: number): Promise<void> {
    return this.whileOpen('fchown', descriptor => chown(descriptor, uid, gid))
  }

  /** Sets the times of access and change: seconds since 1970, or dates. @see futimens(3) */
  utimes(atime: number | string | Date, mtime: number | string | Date): Promise<void> {
    return this.whileOpen('futimes', descriptor => utimes(descriptor, atime, mtime))
  }

  /** Node's `fs.ReadStream`. `stream()` is faster, and holds less memory. */
  createReadStream(options?: ReadStreamOptions): ReadStream {
    return createReadStream(this.#source(), options)
  }

  /** Node's `fs.WriteStream`. `writer()` is faster. */
  createWriteStream(options?: WriteStreamOptions): WriteStream {
    return createWriteStream(this.#source(), options)
  }

  /** The file's lines. @see readline.Interface */
  readLines(options?: ReadStreamOptions): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Number.POSITIVE_INFINITY })
  }

  /** A web stream of bytes from the file's position on; one for each handle. @throws `ERR_INVALID_STATE` */
  readableWebStream(options?: WebStreamOptions): ReadableStream<Uint8Array> {
    if (this.#closing !== undefined) throw invalidState('The FileHandle is closing')
    if (this.#fd < 0) throw invalidState('The FileHandle is closed')
    if (this.#locked) throw invalidState('The FileHandle is locked')
    this.#locked = true
    return readableWebStream(this.#source(), options)
  }

  #source(): StreamSource {
    const { descriptor } = this
    let held = false
    return {
      fd: this.#fd,
      read: async (view, offset, length, position) =>
        readOverload(descriptor, view, offset, length, position),
      write: async (view, offset, length, position) =>
        writeOverload(descriptor, view, offset, length, position),
      writev: async (views, position) => writeFromAll(descriptor, views, filePosition(position)),
      sync: () => sync(descriptor, false),
      hold: () => {
        held = true
        descriptor.use()
      },
      release: () => {
        if (held) descriptor.endUse()
        held = false
      },
      close: () => this.close(),
      onClose: listener => this.once('close', listener),
    }
  }

  /**
   * Keeps the descriptor open for whoever uses it by its number, whatever `close()` says meanwhile.
   *
   * @returns what ends that; calling it again does nothing
   * @throws the error of a closed handle
   */
  hold(): () => void {
    if (this.#fd < 0) throw closedError('hold')
    const { descriptor } = this
    let held = true
    descriptor.use()
    return () => {
      if (held) descriptor.endUse()
      held = false
    }
  }

  /**
   * Closes the handle: at once for its users, for the kernel when the last operation in flight is over.
   *
   * @returns once the descriptor is closed. Closing a closed handle does nothing.
   */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing
    if (this.#fd < 0) return Promise.resolve()
    this.#fd = -1
    const closing = this.descriptor.close()
    const over = () => {
      this.#closing = undefined
    }
    this.#closing = closing
    closing.then(over, over)
    this.emit('close')
    return closing
  }

  /** As `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
