import { chooseEncoding, ENCODINGS, type Encoding } from './accept-encoding.js'
import { contentType, isCompressible } from './content-type.js'
import { DatedBytes } from './dated-bytes.js'
import type { KnownHead } from './known-head.js'
import { responseHead } from './response-head.js'
import type { RootDirectory } from './root-directory.js'
import type { SiteSettings } from './site-options.js'
import { StaticFile } from './static-file.js'

const SIDECAR: Record<Encoding, string> = { br: '.br', zstd: '.zst', gzip: '.gz' }

/** What a path leads to: a file, in as many codings as lie beside it, and the headers that it is sent with. */
export class Resource {
  /** Below the root, without a leading slash. */
  readonly path: string
  readonly plain: StaticFile
  readonly contentType: string
  /** Headers by rule: what does not change from one request to the next. */
  readonly headers: readonly (readonly [string, string])[]
  /** Codings that lie beside the file, besides none. */
  readonly encodings: readonly Encoding[]
  /** Until when it is taken to be current, in milliseconds of `performance.now()`. */
  freshUntil = 0
  /** Bytes of it that the cache holds in memory. */
  keptBytes = 0
  readonly #settings: SiteSettings
  /** The head with which it was asked for last, for connections that are asked the same. */
  known: KnownHead | undefined
  #users = 1
  #ready: DatedBytes | undefined
  #head: DatedBytes | undefined
  #notModified: DatedBytes | undefined
  readonly #coded: ReadonlyMap<Encoding, StaticFile>

  constructor(
    path: string,
    plain: StaticFile,
    coded: ReadonlyMap<Encoding, StaticFile>,
    settings: SiteSettings,
  ) {
    this.path = path
    this.plain = plain
    this.contentType = contentType(path)
    this.#settings = settings
    this.#coded = coded
    this.encodings = [...coded.keys()]
    const headers = new Map<string, [string, string]>()
    for (const rule of settings.rules) {
      if (!rule.matches(path)) continue
      for (const [name, value] of [...rule.headers, ...(rule.headersOf?.(path) ?? [])])
        headers.set(name.toLowerCase(), [name, value])
    }
    this.headers = [...headers.values()]
  }

  /** The whole response over a connection that stays, head and body in one; undefined where the content is not in memory. */
  ready(date: string): DatedBytes | undefined {
    const { content } = this.plain
    if (this.#ready === undefined && content !== undefined) {
      this.#ready = new DatedBytes(this.#headOf(200), content)
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
    if (status === 304) return responseHead({ status, fields: this.cacheFields(this.plain) }, true, 1)
    const fields = this.fields(this.plain, undefined)
    fields.push(['Content-Length', String(this.plain.size)])
    return responseHead({ status, fields }, true, 1)
  }

  /** The fields that describe a representation. */
  fields(file: StaticFile, encoding: Encoding | undefined): [string, string][] {
    const fields: [string, string][] = [
      ['Content-Type', this.contentType],
      ['X-Content-Type-Options', 'nosniff'],
    ]
    if (encoding !== undefined) fields.push(['Content-Encoding', encoding])
    if (this.#settings.ranges) fields.push(['Accept-Ranges', 'bytes'])
    fields.push(...this.cacheFields(file))
    return fields
  }

  /** Whether it is one that could be compressed when it is asked for. */
  get isCompressible(): boolean {
    const { compress } = this.#settings
    if (compress === undefined || !isCompressible(this.contentType)) return false
    return this.plain.size >= compress.minBytes && this.plain.size <= compress.maxBytes
  }

  /** Whether what is sent depends on `Accept-Encoding`. */
  get varies(): boolean {
    return this.encodings.length > 0 || this.isCompressible
  }

  /** The validator of a coding that is made when it is asked for: weak, since another compressor would make it otherwise. */
  codedEtag(encoding: Encoding): string {
    return `W/${this.plain.etag.slice(0, -1)}-${encoding}"`
  }

  /** The fields that describe such a coding. It has no ranges: who resumes one could get the middle of another one. */
  codedFields(encoding: Encoding): [string, string][] {
    return [
      ['Content-Type', this.contentType],
      ['X-Content-Type-Options', 'nosniff'],
      ['Content-Encoding', encoding],
      ...this.cacheFields(this.plain, this.codedEtag(encoding)),
    ]
  }

  /** The fields that a cache keeps with a representation, and that come with a 304. @see RFC 9110, section 15.4.5 */
  cacheFields(file: StaticFile, etag = file.etag): [string, string][] {
    const fields: [string, string][] = []
    if (this.#settings.etag) fields.push(['ETag', etag])
    if (this.#settings.lastModified) fields.push(['Last-Modified', file.lastModified])
    if (this.varies) fields.push(['Vary', 'Accept-Encoding'])
    for (const [name, value] of this.headers) fields.push([name, value])
    return fields
  }

  /** The representation that suits an `Accept-Encoding`. */
  select(acceptEncoding: string | undefined): { file: StaticFile; encoding: Encoding | undefined } {
    if (this.encodings.length === 0) return { file: this.plain, encoding: undefined }
    const encoding = chooseEncoding(acceptEncoding, this.encodings)
    if (encoding === 'identity') return { file: this.plain, encoding: undefined }
    return { file: this.#coded.get(encoding) as StaticFile, encoding }
  }

  /** Whether each of its codings' files can change by no path but its own. */
  get watchable(): boolean {
    return [...this.#coded.values()].every(file => file.watchable)
  }

  /** Whether another one is of the same file, with the same codings beside it. */
  isSame(other: Resource): boolean {
    const codings = [...this.#coded]
    return (
      other.plain.isSame(this.plain) &&
      codings.length === other.#coded.size &&
      codings.every(([encoding, file]) => other.#coded.get(encoding)?.isSame(file) === true)
    )
  }

  /** Somebody looks at it across an await, while the cache may let it go. */
  retain(): this {
    this.#users++
    return this
  }

  /** One user less; the last one lets its files go, which responses under way keep for themselves. */
  release(): void {
    if (--this.#users > 0) return
    this.plain.release()
    for (const file of this.#coded.values()) file.release()
  }
}

/** Opens the codings that lie beside a file. One that is older than the file is stale and left out. */
export async function openSidecars(
  root: RootDirectory,
  path: string,
  plain: StaticFile,
): Promise<Map<Encoding, StaticFile>> {
  const found = new Map<Encoding, StaticFile>()
  if (!isCompressible(contentType(path))) return found
  for (const encoding of ENCODINGS) {
    const opened = await root.open(path + SIDECAR[encoding])
    if (typeof opened === 'number') continue
    const file = new StaticFile(opened, encoding)
    file.watchable = opened.links === 1 && root.holds(opened.fd, path + SIDECAR[encoding])
    if (opened.kind === 'file' && file.modifiedSeconds >= plain.modifiedSeconds) found.set(encoding, file)
    else file.release()
  }
  return found
}
