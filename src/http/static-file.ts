import { engine } from '../engine/index.js'
import { syscall } from '../kernel/index.js'
import { LentFile } from '../transfer/index.js'
import type { Encoding } from './accept-encoding.js'
import { formatHttpDate } from './http-date.js'
import type { OpenedFile } from './root-directory.js'

/**
 * A file that is open to be served, shared by every response that sends it. Its descriptor is closed when the cache
 * has dropped it and the last response is through.
 */
export class StaticFile {
  readonly fd: number
  readonly size: number
  /**
   * A strong validator: size, and times of modification and of change to the nanosecond, since the first of them can be
   * set back. A portable one is without the other, which differs from one copy to the next.
   */
  readonly etag: string
  /** As an HTTP date. */
  readonly lastModified: string
  /** Seconds since 1970. */
  readonly modifiedSeconds: number
  readonly inode: number
  readonly device: number
  /** Nanoseconds since 1970, of its content and of what is known about it. */
  readonly modified: bigint
  readonly changed: bigint
  #users = 1

  constructor(opened: OpenedFile, encoding?: Encoding, portable = false) {
    this.fd = opened.fd
    this.size = opened.size
    this.modified = opened.modified
    this.changed = opened.changed
    this.inode = opened.inode
    this.device = opened.device
    this.modifiedSeconds = Number(opened.modified / 1_000_000_000n)
    this.lastModified = formatHttpDate(this.modifiedSeconds * 1000)
    const parts = [opened.size, opened.modified, ...(portable ? [] : [opened.changed])]
    const coding = encoding === undefined ? [] : [encoding]
    this.etag = `"${[...parts.map(part => part.toString(16)), ...coding].join('-')}"`
  }

  /** Whether it can change by no path but its own. */
  watchable = false
  #lent: LentFile | undefined

  /** For lending its pages to sockets. */
  get lent(): LentFile {
    this.#lent ??= new LentFile(this.fd)
    return this.#lent
  }

  /** Its bytes, once `load()` has read them. */
  content: Buffer | undefined

  /** Reads a piece. @returns fewer bytes where the file has become shorter */
  async read(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(length)
    let done = 0
    while (done < length) {
      const count = (await engine().read(this.fd, bytes, done, length - done, offset + done)) as number
      if (count === 0) break
      done += count
    }
    return bytes.subarray(0, done)
  }

  /** Reads it whole, for one that is small. @returns whether it is open, and as long as it was when it was opened */
  async load(): Promise<boolean> {
    // Nobody need hold it for an answer that sends nothing of it, and its descriptor's number may be another file's by now.
    if (this.#users === 0) return false
    this.retain()
    try {
      const content = await this.read(0, this.size)
      if (content.length < this.size) return false
      // Who read it at the same time may have put it behind a head already: it is held once.
      this.content ??= content
      return true
    } finally {
      this.release()
    }
  }

  /** Whether what lies open there is still this very content. */
  isSame(other: Pick<OpenedFile, 'inode' | 'device' | 'size' | 'modified' | 'changed'>): boolean {
    return (
      other.inode === this.inode &&
      other.device === this.device &&
      other.size === this.size &&
      other.modified === this.modified &&
      // Who writes may set the time of modification back; this one nobody can.
      other.changed === this.changed
    )
  }

  /** One more response sends it. */
  retain(): this {
    this.#users++
    return this
  }

  /** One less; the last one closes it. */
  release(): void {
    if (--this.#users === 0) syscall('close', this.fd)
  }
}
