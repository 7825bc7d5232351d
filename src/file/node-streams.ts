import {
  createReadStream as createNodeReadStream,
  createWriteStream as createNodeWriteStream,
  type ReadStream,
  type WriteStream,
} from 'node:fs'
import type { ReadResult } from './read.js'
import type { WriteResult, WriteVectorResult } from './write.js'

/** What `createReadStream()` is told. @see the options of `filehandle.createReadStream()` in `node:fs` */
export interface ReadStreamOptions {
  encoding?: BufferEncoding | null | undefined
  autoClose?: boolean | undefined
  emitClose?: boolean | undefined
  /** First byte; the file's position by default. */
  start?: number | undefined
  /** Last byte, included. */
  end?: number | undefined
  highWaterMark?: number | undefined
  signal?: AbortSignal | null | undefined
}

/** What `createWriteStream()` is told. @see the options of `filehandle.createWriteStream()` in `node:fs` */
export interface WriteStreamOptions {
  encoding?: BufferEncoding | null | undefined
  autoClose?: boolean | undefined
  emitClose?: boolean | undefined
  /** First byte; the file's position by default. */
  start?: number | undefined
  highWaterMark?: number | undefined
  /** Syncs before closing. */
  flush?: boolean | undefined
}

/** What a stream of Node's needs of a file. Its operations work also while the handle waits to be closed. */
export interface StreamSource {
  readonly fd: number
  read(view: ArrayBufferView, offset: number, length: number, position: unknown): Promise<unknown>
  write(view: ArrayBufferView, offset: number, length: number, position: unknown): Promise<unknown>
  writev(views: readonly ArrayBufferView[], position: unknown): Promise<unknown>
  sync(): Promise<void>
  /** Keeps the descriptor open for the stream. */
  hold(): void
  /** The stream needs the descriptor no more. */
  release(): void
  close(): Promise<void>
  /** The stream is told when the handle is closed. */
  onClose(listener: () => void): void
}

type Callback = (error: Error | null, count?: number, data?: unknown) => void

/** The part of `node:fs` that a stream uses, on our engine. */
function operations(source: StreamSource) {
  return {
    open: () => {
      throw new Error('A stream on a file handle opens nothing')
    },
    read: (_fd: number, view: Buffer, offset: number, length: number, at: unknown, done: Callback) => {
      source.read(view, offset, length, at).then(
        result => done(null, (result as ReadResult<Buffer>).bytesRead, view),
        error => done(error, 0, view),
      )
    },
    write: (_fd: number, view: Buffer, offset: number, length: number, at: unknown, done: Callback) => {
      source.write(view, offset, length, at).then(
        result => done(null, (result as WriteResult<Buffer>).bytesWritten, view),
        error => done(error, 0, view),
      )
    },
    writev: (_fd: number, views: Buffer[], at: unknown, done: Callback) => {
      source.writev(views, at).then(
        result => done(null, (result as WriteVectorResult<Buffer[]>).bytesWritten, views),
        error => done(error, 0, views),
      )
    },
    fsync: (_fd: number, done: Callback) => {
      source.sync().then(() => done(null), done)
    },
    close: (_fd: number, done: Callback) => {
      source.release()
      source.close().then(() => done(null), done)
    },
  }
}

/** Node's own `fs.ReadStream`, with the bytes moved by our engine. */
export function createReadStream(source: StreamSource, options: ReadStreamOptions = {}): ReadStream {
  const given = { ...options, fd: source.fd, fs: operations(source) }
  const stream = createNodeReadStream('', given as Parameters<typeof createNodeReadStream>[1])
  source.hold()
  source.onClose(() => stream.close())
  return stream
}

/** Node's own `fs.WriteStream`, with the bytes moved by our engine. */
export function createWriteStream(source: StreamSource, options: WriteStreamOptions = {}): WriteStream {
  const given = { ...options, fd: source.fd, fs: operations(source) }
  const stream = createNodeWriteStream('', given as Parameters<typeof createNodeWriteStream>[1])
  source.hold()
  source.onClose(() => stream.close())
  return stream
}
