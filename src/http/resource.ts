import { errnoOf } from '../kernel/index.js'
import { chooseEncoding, ENCODINGS, type Encoding } from './accept-encoding.js'
import { contentType, isCompressible } from './content-type.js'
import { formatHttpDate, parseHttpDate } from './http-date.js'
import type { Validators } from './preconditions.js'
import { Representation } from './representation.js'
import type { RootDirectory } from './root-directory.js'
import type { SiteSettings } from './site-options.js'
import { StaticFile } from './static-file.js'

/** Fields that we send ourselves, unless a rule has something else in their place. */
const OURS = new Set([
  'accept-ranges',
  'content-encoding',
  'content-type',
  'etag',
  'last-modified',
  'vary',
  'x-content-type-options',
])
/** What says how long a file may be kept. */
const KEEPING = new Set(['cache-control', 'cdn-cache-control', 'expires', 'surrogate-control'])
const EXHAUSTED = new Set(['EMFILE', 'ENFILE', 'ENOMEM'].map(name => -errnoOf(name)))

/** Of an `Accept-Encoding` that is remembered. */
const ASKED_LENGTH = 100

const SIDECAR: Record<Encoding, string> = { br: '.br', zstd: '.zst', gzip: '.gz' }
/** The name of a file that is a coding of another one, or could be. */
export const CODED = /\.(?:br|zst|gz)$/

/** A resource in one of the forms that it is stored in. */
export type StoredResource = Representation<Resource>

/** What a path leads to: a file, in as many codings as lie beside it, and the headers that it is sent with. */
export class Resource {
  /** Below the root, without a leading slash. */
  readonly path: string
  readonly plain: StaticFile
  readonly contentType: string
  /** The file as it is. */
  readonly identity: StoredResource
  /** Codings that lie beside the file, besides none. */
  readonly encodings: readonly Encoding[]
  /** Until when it is taken to be current, in milliseconds of `performance.now()`. */
  freshUntil = 0
  /** Whether it was asked for again since the cache last looked for one to drop. */
  wasUsed = false
  /** Bytes of it that the cache has counted. */
  keptBytes = 0
  readonly #settings: SiteSettings
  #users = 1
  readonly #coded: ReadonlyMap<Encoding, StaticFile>
  readonly #representations = new Map<Encoding, StoredResource>()
  /** The `Accept-Encoding` that was sent last, and what suits it: most clients send the same. */
  #asked: string | undefined
  #suits: StoredResource
  /** Headers by rule, that of a later rule in place of one before: those that are ours otherwise, and all others. */
  readonly #ruled = new Map<string, string>()
  readonly #others: readonly (readonly [string, string])[]

  constructor(
    path: string,
    plain: StaticFile,
    coded: ReadonlyMap<Encoding, StaticFile>,
    settings: SiteSettings,
  ) {
    this.path = path
    this.plain = plain
    this.#settings = settings
    this.#coded = coded
    this.encodings = [...coded.keys()]
    const others = new Map<string, [string, string]>()
    for (const rule of settings.rules) {
      if (!rule.matches(path)) continue
      for (const [name, value] of [...rule.headers, ...(rule.headersOf?.(path) ?? [])]) {
        const key = name.toLowerCase()
        if (OURS.has(key)) this.#ruled.set(key, value)
        else others.set(key, [name, value])
      }
    }
    this.#others = [...others.values()]
    this.contentType = this.#ruled.get('content-type') ?? contentType(path)
    this.identity = new Representation(this, plain, undefined)
    this.#suits = this.identity
    for (const [encoding, file] of coded)
      this.#representations.set(encoding, new Representation(this, file, encoding))
  }

  /** An entity tag as clients are given it; undefined for none. */
  etagOf(etag: string): string | undefined {
    const ruled = this.#ruled.get('etag')
    if (ruled === undefined) return this.#settings.etag ? etag : undefined
    return codedLike(ruled, etag)
  }

  /** When one of its files was modified, as clients are told; undefined where they are not. */
  lastModifiedOf(file: StaticFile): string | undefined {
    return this.#ruled.get('last-modified') ?? (this.#settings.lastModified ? file.lastModified : undefined)
  }

  /** By what conditions on one of its representations are judged. */
  validators(file: StaticFile, etag = file.etag): Validators {
    const ruled = this.#ruled.get('last-modified')
    const seconds = this.#settings.lastModified ? file.modifiedSeconds : undefined
    return { etag: this.etagOf(etag), lastModified: ruled === undefined ? seconds : parseHttpDate(ruled) }
  }

  /** Descriptors that it takes. */
  get descriptors(): number {
    return 1 + this.encodings.length
  }

  /** Bytes of it that are in memory. */
  get memoryBytes(): number {
    let bytes = this.identity.memoryBytes
    for (const coded of this.#representations.values()) bytes += coded.memoryBytes
    return bytes
  }

  /** Lets go of the bytes of it that are in memory; responses under way keep theirs. */
  forget(): void {
    this.identity.forget()
    for (const coded of this.#representations.values()) coded.forget()
  }

  /** The fields that describe a representation. */
  fields(file: StaticFile, encoding: Encoding | undefined): [string, string][] {
    const fields = this.#description(encoding)
    const ranges = this.#ruled.get('accept-ranges') ?? (this.#settings.ranges ? 'bytes' : undefined)
    if (ranges !== undefined) fields.push(['Accept-Ranges', ranges])
    fields.push(...this.cacheFields(file))
    return fields
  }

  #description(encoding: Encoding | undefined): [string, string][] {
    const fields: [string, string][] = [
      ['Content-Type', this.contentType],
      ['X-Content-Type-Options', this.#ruled.get('x-content-type-options') ?? 'nosniff'],
    ]
    // What a rule says of the file itself was done to it before.
    const codings = [this.#ruled.get('content-encoding'), encoding].filter(coding => coding !== undefined)
    if (codings.length > 0) fields.push(['Content-Encoding', codings.join(', ')])
    return fields
  }

  /** The fields of a page that stands for something else, which may be there at any time: none by which it is kept. */
  errorFields(): [string, string][] {
    const fields = [...this.#description(undefined), ['Cache-Control', 'no-cache'] as [string, string]]
    const vary = this.#ruled.get('vary')
    if (vary !== undefined) fields.push(['Vary', vary])
    for (const [name, value] of this.#others) if (!KEEPING.has(name.toLowerCase())) fields.push([name, value])
    return fields
  }

  /** Whether it is one that could be compressed when it is asked for. */
  get isCompressible(): boolean {
    const { compress } = this.#settings
    if (compress === undefined || !isCompressible(this.contentType)) return false
    if (this.#ruled.has('content-encoding')) return false
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
    return [...this.#description(encoding), ...this.cacheFields(this.plain, this.codedEtag(encoding))]
  }

  /** The fields that a cache keeps with a representation, and that come with a 304. @see RFC 9110, section 15.4.5 */
  cacheFields(file: StaticFile, etag = file.etag): [string, string][] {
    const fields: [string, string][] = []
    const tag = this.etagOf(etag)
    if (tag !== undefined) fields.push(['ETag', tag])
    const modified =
      this.#ruled.get('last-modified') ?? (this.#settings.lastModified ? pastDate(file) : undefined)
    if (modified !== undefined) fields.push(['Last-Modified', modified])
    // Without our part of it a cache would give one client another one's coding.
    const vary = [this.varies ? 'Accept-Encoding' : undefined, this.#ruled.get('vary')].filter(Boolean)
    if (vary.length > 0) fields.push(['Vary', vary.join(', ')])
    for (const [name, value] of this.#others) fields.push([name, value])
    return fields
  }

  /** The representation that suits an `Accept-Encoding`, of those that are stored. */
  select(acceptEncoding: string | undefined): StoredResource {
    if (acceptEncoding === undefined || this.encodings.length === 0) return this.identity
    if (acceptEncoding === this.#asked) return this.#suits
    const encoding = chooseEncoding(acceptEncoding, this.encodings)
    const suits = encoding === 'identity' ? undefined : this.#representations.get(encoding)
    if (acceptEncoding.length <= ASKED_LENGTH) {
      this.#asked = acceptEncoding
      this.#suits = suits ?? this.identity
    }
    return suits ?? this.identity
  }

  /** The same, of those that can be sent without anything being compressed or read before; undefined where it takes that. */
  selectReady(acceptEncoding: string | undefined): StoredResource | undefined {
    const found = this.select(acceptEncoding)
    if (found.isToBeLoaded) return undefined
    const compresses = acceptEncoding !== undefined && found === this.identity && this.isCompressible
    return compresses ? undefined : found
  }

  /** Whether each of its codings' files can change by no path but its own. */
  get watchable(): boolean {
    return [...this.#coded.values()].every(file => file.watchable)
  }

  /** Whether it is of just these files: the same content, and the same codings beside it. */
  isOf(plain: StaticFile, coded: ReadonlyMap<Encoding, StaticFile>): boolean {
    return (
      this.plain.isSame(plain) &&
      this.#coded.size === coded.size &&
      [...coded].every(([encoding, file]) => this.#coded.get(encoding)?.isSame(file) === true)
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

/** When a file was modified. @see RFC 9110, section 8.8.2.1: not later than the response's own date */
function pastDate(file: StaticFile): string {
  const now = Date.now()
  // The date of Node's servers may be a second old.
  return file.modifiedSeconds * 1000 > now ? formatHttpDate(now - 1000) : file.lastModified
}

/**
 * Opens the codings that lie beside a file, whatever it is, unless it is one itself. One that is older than the file is stale
 * and left out.
 *
 * @returns -errno where no descriptor is left
 */
export async function openSidecars(
  root: RootDirectory,
  path: string,
  plain: StaticFile,
  portable: boolean,
): Promise<Map<Encoding, StaticFile> | number> {
  const found = new Map<Encoding, StaticFile>()
  if (CODED.test(path)) return found
  // Side by side: for most files none of them is there.
  const all = await Promise.all(ENCODINGS.map(encoding => root.open(path + SIDECAR[encoding])))
  for (const [at, opened] of all.entries()) {
    if (typeof opened === 'number') continue
    const encoding = ENCODINGS[at]
    const file = new StaticFile(opened, encoding, portable)
    file.watchable = opened.links === 1 && root.holds(opened.fd, path + SIDECAR[encoding])
    if (opened.kind === 'file' && file.modifiedSeconds >= plain.modifiedSeconds) found.set(encoding, file)
    else file.release()
  }
  const exhausted = all.find(opened => typeof opened === 'number' && EXHAUSTED.has(opened))
  if (exhausted === undefined) return found
  for (const file of found.values()) file.release()
  return exhausted as number
}

/** A tag by rule, told apart by coding as ours is: who resumes one coding must not get the middle of another. */
function codedLike(ruled: string, own: string): string {
  const [, coding] = /-(br|zstd|gzip)"$/.exec(own) ?? []
  if (coding === undefined || !ruled.endsWith('"')) return ruled
  const weak = own.startsWith('W/') && !ruled.startsWith('W/') ? 'W/' : ''
  return `${weak}${ruled.slice(0, -1)}-${coding}"`
}
