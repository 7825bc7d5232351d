import { chooseEncoding, ENCODINGS, type Encoding } from './accept-encoding.js'
import { contentType, isCompressible } from './content-type.js'
import type { Fields } from './fields.js'
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
  /** When it was last seen to be current, in milliseconds of `performance.now()`. */
  checked = 0
  #users = 1
  /** The fields of the whole response, once it is kept ready. */
  fields: Fields | undefined
  /** The response to a plain request, head and body in one, and the `Date` it bears. */
  #ready: Buffer | undefined
  #readyDate = ''
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
    this.#coded = coded
    this.encodings = [...coded.keys()]
    const headers = new Map<string, [string, string]>()
    for (const rule of settings.rules) {
      if (rule.matches(path))
        for (const [name, value] of rule.headers) headers.set(name.toLowerCase(), [name, value])
    }
    this.headers = [...headers.values()]
  }

  /**
   * The response to a plain request over a connection that stays: made once a second, for the sake of its `Date`.
   *
   * @returns undefined where the content is not in memory
   */
  readyFor(date: string): Buffer | undefined {
    if (this.#readyDate === date) return this.#ready
    const { content } = this.plain
    if (content === undefined || this.fields === undefined) return undefined
    const head = responseHead({ status: 200, fields: this.fields }, true, 1)
    this.#ready = Buffer.concat([Buffer.from(head, 'latin1'), content])
    this.#readyDate = date
    return this.#ready
  }

  /** The representation that suits an `Accept-Encoding`. */
  select(acceptEncoding: string | undefined): { file: StaticFile; encoding: Encoding | undefined } {
    if (this.encodings.length === 0) return { file: this.plain, encoding: undefined }
    const encoding = chooseEncoding(acceptEncoding, this.encodings)
    if (encoding === 'identity') return { file: this.plain, encoding: undefined }
    return { file: this.#coded.get(encoding) as StaticFile, encoding }
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
    if (opened.kind === 'file' && file.modifiedSeconds >= plain.modifiedSeconds) found.set(encoding, file)
    else file.release()
  }
  return found
}
