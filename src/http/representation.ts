import type { Encoding } from './accept-encoding.js'
import { DatedBytes } from './dated-bytes.js'
import type { Fields } from './fields.js'
import type { KnownHead } from './known-head.js'
import { responseHead } from './response-head.js'
import type { StaticFile } from './static-file.js'

/** Whose representation it is, and what the fields say that describe one. */
interface Described {
  etagOf(etag: string): string | undefined
  lastModifiedOf(file: StaticFile): string | undefined
  fields(file: StaticFile, encoding: Encoding | undefined): Fields
  cacheFields(file: StaticFile): Fields
}

/** Files up to this size are kept in memory and go out with their head in one send; above, lending their pages is less work. */
const READY_BYTES = 16 * 1024

/** A resource as it is stored, plainly or in one of its codings, with the answers that stand ready. */
export class Representation<R extends Described = Described> {
  readonly resource: R
  readonly file: StaticFile
  /** Undefined for the file as it is. */
  readonly encoding: Encoding | undefined
  /** The validators as clients are given them; undefined for none. */
  readonly etag: string | undefined
  readonly lastModified: string | undefined
  /** The head with which it was asked for last, for connections that are asked the same. */
  known: KnownHead | undefined
  #ready: DatedBytes | undefined
  #head: DatedBytes | undefined
  #notModified: DatedBytes | undefined

  constructor(resource: R, file: StaticFile, encoding: Encoding | undefined) {
    this.resource = resource
    this.file = file
    this.encoding = encoding
    this.etag = resource.etagOf(file.etag)
    this.lastModified = resource.lastModifiedOf(file)
  }

  /** Whether it is to be in memory, and is not. */
  get isToBeLoaded(): boolean {
    return this.file.size <= READY_BYTES && this.file.content === undefined
  }

  /** Bytes of it that are in memory. */
  get memoryBytes(): number {
    const content = this.#ready?.bytes ?? this.file.content
    const heads = (this.#head?.bytes.length ?? 0) + (this.#notModified?.bytes.length ?? 0)
    return (content?.length ?? 0) + heads + (this.known?.length ?? 0)
  }

  /** Lets go of them; what is under way has its own hold. */
  forget(): void {
    this.file.content = undefined
    this.known = undefined
    this.#ready = undefined
    this.#head = undefined
    this.#notModified = undefined
  }

  /** The whole response over a connection that stays, head and body in one; undefined where the content is not in memory. */
  ready(date: string): DatedBytes | undefined {
    const { content } = this.file
    if (this.#ready === undefined && content !== undefined) {
      this.#ready = new DatedBytes(this.#headOf(200), content)
      // It is held once: what follows the head.
      const { buffer, byteOffset, length } = this.#ready.bytes
      this.file.content = Buffer.from(buffer, byteOffset + length - content.length, content.length)
    }
    return this.#ready?.of(date)
  }

  /** The head of that response. */
  head(date: string): DatedBytes {
    this.#head ??= new DatedBytes(this.#headOf(200))
    return this.#head.of(date)
  }

  /** What a client is told over a connection that stays when what it has is current. */
  notModified(date: string): DatedBytes {
    this.#notModified ??= new DatedBytes(this.#headOf(304))
    return this.#notModified.of(date)
  }

  #headOf(status: 200 | 304): string {
    const { file, resource } = this
    if (status === 304) return responseHead({ status, fields: resource.cacheFields(file) }, true, 1)
    const fields = [...resource.fields(file, this.encoding), ['Content-Length', String(file.size)]] as const
    return responseHead({ status, fields: fields as Fields }, true, 1)
  }
}
