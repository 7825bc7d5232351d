import { close, fstat, ftruncate, open } from 'node:fs'
import { promisify } from 'node:util'
import type { Engine } from '../../engine/index.js'
import { errnoOf, IOSQE, POSIX_FADV } from '../../kernel/index.js'
import { prepareFadvise, prepareFallocate, prepareFdatasync, prepareWrite } from '../../ring/index.js'

const ECANCELED = -errnoOf('ECANCELED')

const openFile = promisify(open)
const closeFile = promisify(close)
const statFile = promisify(fstat)
const truncateFile = promisify(ftruncate)

/** What the log needs of an engine; tests put one underneath that fails. */
export type LogEngine = Pick<Engine, 'chain' | 'run' | 'read' | 'write'>

/** What came of a write and the sync linked to it. */
export interface Commit {
  /** Bytes written. The sync took place only if it is all of them. */
  written: number
  writeError?: Error
  syncError?: Error
}

/** A file of the log, with the operations that the log needs. */
export class LogFile {
  readonly path: string
  readonly #engine: () => LogEngine
  readonly #fd: number

  private constructor(engine: () => LogEngine, fd: number, path: string) {
    this.#engine = engine
    this.#fd = fd
    this.path = path
  }

  /** Opens a file. @param flags as of `fs.open()` */
  static async open(engine: () => LogEngine, path: string, flags: string): Promise<LogFile> {
    return new LogFile(engine, await openFile(path, flags), path)
  }

  /** The same open file, under the name that it has been given. */
  at(path: string): LogFile {
    return new LogFile(this.#engine, this.#fd, path)
  }

  /** The descriptor. */
  get fd(): number {
    return this.#fd
  }

  /** Bytes of the file. */
  async size(): Promise<number> {
    return (await statFile(this.#fd)).size
  }

  /** Reads until the buffer is full or the file ends. @returns bytes read */
  async read(buffer: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < buffer.length) {
      const read = this.#engine().read(this.#fd, buffer, done, buffer.length - done, position + done)
      const bytes = (await read) as number
      if (bytes === 0) break
      done += bytes
    }
    return done
  }

  /** Writes all of it. */
  async write(buffer: Uint8Array, position: number): Promise<void> {
    let done = 0
    while (done < buffer.length) {
      const write = this.#engine().write(this.#fd, buffer, done, buffer.length - done, position + done)
      done += (await write) as number
    }
  }

  /** Writes, and syncs right behind it: the kernel goes from one to the other without asking us. Never rejects. */
  async commit(buffer: Uint8Array, position: number): Promise<Commit> {
    const details = { path: this.path }
    const [write, sync] = this.#engine().chain(
      [
        {
          syscall: 'write',
          details,
          buffers: [buffer],
          moves: true,
          prepare: (queue, userData) => prepareWrite(queue, this.#fd, buffer, position, userData),
        },
        {
          syscall: 'fdatasync',
          details,
          prepare: (queue, userData) => prepareFdatasync(queue, this.#fd, userData),
        },
      ],
      IOSQE.IO_LINK,
    )
    const [written, synced] = await Promise.allSettled([write, sync])
    if (written.status === 'rejected') {
      const { reason } = written
      return isUnbegun(reason) ? this.#writeApart(buffer, position) : { written: 0, writeError: reason }
    }
    const bytes = written.value as number
    // The sync behind a short write is cancelled, which is no failure of it.
    if (bytes < buffer.length || synced.status === 'fulfilled') return { written: bytes }
    return isUnbegun(synced.reason) ? this.#syncApart(bytes) : { written: bytes, syncError: synced.reason }
  }

  async #writeApart(buffer: Uint8Array, position: number): Promise<Commit> {
    try {
      const bytes = (await this.#engine().write(this.#fd, buffer, 0, buffer.length, position)) as number
      return bytes < buffer.length ? { written: bytes } : await this.#syncApart(bytes)
    } catch (error) {
      return { written: 0, writeError: error as Error }
    }
  }

  async #syncApart(written: number): Promise<Commit> {
    try {
      await this.sync()
      return { written }
    } catch (error) {
      return { written, syncError: error as Error }
    }
  }

  /** Makes the file's contents and size durable. */
  async sync(): Promise<void> {
    await this.#engine().run((queue, userData) => prepareFdatasync(queue, this.#fd, userData), {
      syscall: 'fdatasync',
      details: { path: this.path },
    })
  }

  /** Sets its size. What lies behind the end is gone, and zero if the file grows again. */
  truncate(bytes: number): Promise<void> {
    return truncateFile(this.#fd, bytes)
  }

  /** Reserves space up to `bytes`, and makes the file as large. */
  async allocate(bytes: number): Promise<void> {
    await this.#engine().run((queue, userData) => prepareFallocate(queue, this.#fd, 0, 0, bytes, userData), {
      syscall: 'fallocate',
      details: { path: this.path },
    })
  }

  /** Forgets what the page cache holds of it, so that a read shows what the device has. */
  async dropCache(): Promise<void> {
    const advice = POSIX_FADV.DONTNEED
    await this.#engine().run((queue, userData) => prepareFadvise(queue, this.#fd, 0, 0, advice, userData), {
      syscall: 'fadvise64',
      details: { path: this.path },
    })
  }

  /** Closes it. Nothing may be in flight. */
  close(): Promise<void> {
    return closeFile(this.#fd)
  }
}

/**
 * Whether the kernel gave an operation of a chain up because it had no thread to begin it with. The engine asks anew only
 * for what stands by itself.
 */
function isUnbegun(error: Error): boolean {
  return (error as NodeJS.ErrnoException).errno === ECANCELED
}
