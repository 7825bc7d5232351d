import { statSync } from 'node:fs'
import { checkInteger, checkObject, invalidArgType, invalidArgValue } from '../kernel/index.js'
import type { CompressorSettings } from './compressor.js'
import { attachment } from './content-disposition.js'
import { withCharset } from './content-type.js'
import { compileGlob } from './glob.js'
import { keptFiles } from './kept-descriptors.js'
import { Redirects } from './redirects.js'
import type { SymlinkPolicy } from './root-directory.js'

/** What a site serves and how; shared by `serve()` and the middleware. */
export interface SiteOptions {
  /** The directory. */
  root: string
  /** Files that stand for their directory, in order of preference; `['index.html']` by default. */
  index?: readonly string[] | false
  /** Serves `about.html` for `/about`: short for `extensions: ['html']`. */
  cleanUrls?: boolean
  /** Tried, in this order, behind a path that leads nowhere: without their dot. None by default. */
  extensions?: readonly string[]
  /** Served with 200 for a path that leads nowhere and a client that takes HTML: `'index.html'` of a single-page application. */
  fallback?: string
  /** Served with 404 for a path that leads nowhere. */
  notFound?: string
  /** Symbolic links: `'beneath'` (those that stay below the root), `'deny'` or `'follow'`. */
  symlinks?: SymlinkPolicy
  /** Serves names that begin with a dot; `'deny'` answers 403 instead of 404. `.well-known` is served anyway. */
  dotfiles?: boolean | 'deny'
  /** Lists directories that have no index. */
  listing?: boolean
  /** Serves `.br`, `.zst` and `.gz` files beside a file to clients that take them; true by default. */
  sidecars?: boolean
  /** `Cache-Control` of files; `'public, max-age=0, must-revalidate'` by default, `false` for none. */
  cacheControl?: string | false
  /**
   * Sends an entity tag, and evaluates conditions by it; true by default: of size and both times of a file. `'portable'`
   * leaves out the time of change, so that servers agree whose copies have the same time of modification.
   */
  etag?: boolean | 'portable'
  /** Sends when a file was modified, and evaluates conditions by it; true by default. */
  lastModified?: boolean
  /** Serves ranges; true by default. */
  ranges?: boolean
  /** Files whose names hold a hash of their content, kept for a year without asking; by glob. */
  immutable?: readonly string[]
  /** Compresses files on the fly for clients that take it, where no coding lies beside them; false by default. */
  compress?: boolean
  /** Bytes of a file from which on it is compressed; 1024 by default. */
  compressMinBytes?: number
  /** Bytes of a file up to which it is compressed; 4 MiB by default. */
  compressMaxBytes?: number
  /** Bytes of compressed files that are kept in memory; 32 MiB by default. */
  compressCacheBytes?: number
  /** Files that are to be saved under their names rather than shown, by glob: `Content-Disposition: attachment`. */
  download?: readonly string[]
  /** Media types by the ending of a name, in place of those known: `{ data: 'application/octet-stream' }`. */
  types?: Readonly<Record<string, string>>
  /**
   * Paths that have moved, or everything below one: `{ '/old': '/new', '/blog/*': '302 https://blog.example/*' }`, with the
   * status before the new address unless it is 301. They come before files.
   */
  redirects?: Readonly<Record<string, string>>
  /** Further headers by glob: `{ '*.pdf': { 'Content-Disposition': 'attachment' } }`. */
  headers?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** `Access-Control-Allow-Origin`: `'*'` or one origin. */
  cors?: string
  /** Open files that are kept; by default 16,384, or half of the descriptors that the process may have if that is less. Of several threads each keeps its part. */
  cacheEntries?: number
  /** Bytes of small files that are kept in memory; 64 MiB by default. */
  cacheBytes?: number
  /** How long a kept file that inotify does not watch is trusted before it is looked at again, in milliseconds; 1000 by default, 0 for every time. */
  cacheMs?: number
  /** Has inotify tell of changes of kept files, where it can; true by default, unless `cacheMs` is 0. */
  watch?: boolean
}

/** A file's headers by rule. */
export interface HeaderRule {
  matches: (path: string) => boolean
  headers: readonly (readonly [string, string])[]
  /** Those that depend on the file. */
  headersOf?: (path: string) => readonly (readonly [string, string])[]
}

/** {@link SiteOptions} with every default in place. */
export interface SiteSettings {
  root: string
  index: readonly string[]
  extensions: readonly string[]
  fallback: string | undefined
  notFound: string | undefined
  symlinks: SymlinkPolicy
  dotfiles: boolean | 'deny'
  listing: boolean
  sidecars: boolean
  etag: boolean
  /** Whether entity tags are the same for all copies of a file. */
  portable: boolean
  lastModified: boolean
  ranges: boolean
  rules: readonly HeaderRule[]
  redirects: Redirects | undefined
  cors: string | undefined
  /** Undefined where nothing is compressed. */
  compress: CompressorSettings | undefined
  cacheEntries: number
  cacheBytes: number
  cacheMs: number
  watch: boolean
}

const FIELD_NAME = /^[!#$%&'*+\-.^_`|~\w]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** What frames a message, or is the connection's to say: two of them, or wrong ones, would part requests wrongly. */
const FRAMING = new Set([
  'connection',
  'content-length',
  'content-range',
  'date',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** @see RFC 9110, section 8.3.1 */
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;.*)?$/
const EVERYTHING = () => true

/** @param option what is called wrong where the value is */
function checkHeader(name: string, value: unknown, option = `options.headers.${name}`): [string, string] {
  if (!FIELD_NAME.test(name)) throw invalidArgValue('options.headers', name, 'is not the name of a header')
  if (FRAMING.has(name.toLowerCase()))
    throw invalidArgValue('options.headers', name, 'is set by the server alone, since it frames messages')
  if (typeof value !== 'string') throw invalidArgType(option, 'of type string', value)
  if (!FIELD_VALUE.test(value)) throw invalidArgValue(option, value, 'holds control characters')
  return [name, value]
}

/** What a script of another origin may read; what is not listed is kept from it. */
function corsHeaders(origin: string): [string, string][] {
  return [
    checkHeader('Access-Control-Allow-Origin', origin, 'options.cors'),
    ['Access-Control-Expose-Headers', 'Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag'],
  ]
}

function typeRule(ending: string, type: unknown): HeaderRule {
  if (!/^\.?[^/*?]+$/.test(ending))
    throw invalidArgValue('options.types', ending, 'is not the ending of a name')
  const [name, value] = checkHeader('Content-Type', type, 'options.types')
  if (!MEDIA_TYPE.test(value))
    throw invalidArgValue('options.types', { [ending]: type }, 'names no media type')
  return { matches: compileGlob(`*.${ending.replace(/^\./, '')}`), headers: [[name, withCharset(value)]] }
}

/** Later rules win over earlier ones. */
function headerRules(options: SiteOptions): HeaderRule[] {
  const cacheControl = options.cacheControl ?? 'public, max-age=0, must-revalidate'
  const rules: HeaderRule[] = []
  if (cacheControl !== false) {
    rules.push({
      matches: EVERYTHING,
      headers: [checkHeader('Cache-Control', cacheControl, 'options.cacheControl')],
    })
  }
  for (const glob of options.immutable ?? []) {
    rules.push({
      matches: compileGlob(glob),
      headers: [['Cache-Control', 'public, max-age=31536000, immutable']],
    })
  }
  if (options.cors !== undefined) {
    rules.push({ matches: EVERYTHING, headers: corsHeaders(options.cors) })
  }
  for (const glob of options.download ?? []) {
    const headersOf = (path: string): [string, string][] => [['Content-Disposition', attachment(path)]]
    rules.push({ matches: compileGlob(glob), headers: [], headersOf })
  }
  for (const [ending, type] of Object.entries(options.types ?? {})) rules.push(typeRule(ending, type))
  for (const [glob, headers] of Object.entries(options.headers ?? {})) {
    rules.push({
      matches: compileGlob(glob),
      headers: Object.entries(headers).map(([name, value]) => checkHeader(name, value)),
    })
  }
  return rules
}

/** The one that was given is told. */
function checkCompressedSizes(
  { compressMinBytes }: SiteOptions,
  { minBytes, maxBytes }: CompressorSettings,
): void {
  if (minBytes <= maxBytes) return
  if (compressMinBytes === undefined)
    throw invalidArgValue('options.compressMaxBytes', maxBytes, `is less than compressMinBytes, ${minBytes}`)
  throw invalidArgValue('options.compressMinBytes', minBytes, `is more than compressMaxBytes, ${maxBytes}`)
}

function compressorSettings(options: SiteOptions): CompressorSettings | undefined {
  const settings = {
    minBytes: options.compressMinBytes ?? 1024,
    maxBytes: options.compressMaxBytes ?? 4 << 20,
    cacheBytes: options.compressCacheBytes ?? 32 << 20,
  }
  checkInteger(settings.minBytes, 'options.compressMinBytes', 0)
  checkInteger(settings.maxBytes, 'options.compressMaxBytes', 0, 2 ** 30)
  checkInteger(settings.cacheBytes, 'options.compressCacheBytes', 0)
  checkCompressedSizes(options, settings)
  return options.compress ? settings : undefined
}

/** Options that are text, and that are several. */
const TEXTS = ['fallback', 'notFound', 'cors'] as const
const LISTS = ['index', 'extensions', 'immutable', 'download'] as const

/** What would else be found out by each request. */
function checkTexts(options: SiteOptions): void {
  for (const name of TEXTS) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'string')
      throw invalidArgType(`options.${name}`, 'of type string', value)
  }
  for (const name of LISTS) {
    const value: unknown = options[name]
    if (value === undefined || (name === 'index' && value === false)) continue
    if (!Array.isArray(value) || !value.every(item => typeof item === 'string'))
      throw invalidArgType(`options.${name}`, 'an array of strings', value)
  }
  if (options.headers === undefined) return
  checkObject(options.headers, 'options.headers')
  for (const [glob, headers] of Object.entries(options.headers))
    checkObject(headers, `options.headers.${glob}`)
}

/**
 * Checks options and fills in what is not given.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; the system error where the root is no
 *   directory
 */
export function siteSettings(options: SiteOptions): SiteSettings {
  if (typeof options?.root !== 'string') throw invalidArgType('options.root', 'of type string', options?.root)
  if (!statSync(options.root).isDirectory())
    throw invalidArgValue('options.root', options.root, 'is not a directory')
  checkTexts(options)
  const { symlinks = 'beneath', index = ['index.html'], cacheMs = 1000 } = options
  const { cacheEntries = keptFiles() } = options
  const { cacheBytes = 64 << 20, etag = true } = options
  if (![true, false, 'portable'].includes(etag))
    throw invalidArgValue('options.etag', etag, 'is not true, false or portable')
  if (!['beneath', 'deny', 'follow'].includes(symlinks)) {
    throw invalidArgValue('options.symlinks', symlinks, 'is not beneath, deny or follow')
  }
  checkInteger(cacheEntries, 'options.cacheEntries', 1, 2 ** 20)
  checkInteger(cacheBytes, 'options.cacheBytes', 0)
  checkInteger(cacheMs, 'options.cacheMs', 0, 2 ** 31 - 1)
  return {
    root: options.root,
    index: index === false ? [] : index,
    extensions: [...(options.cleanUrls ? ['html'] : []), ...(options.extensions ?? [])],
    fallback: options.fallback,
    notFound: options.notFound,
    symlinks,
    dotfiles: options.dotfiles ?? false,
    listing: options.listing ?? false,
    sidecars: options.sidecars ?? true,
    etag: etag !== false,
    portable: etag === 'portable',
    lastModified: options.lastModified ?? true,
    ranges: options.ranges ?? true,
    rules: headerRules(options),
    redirects: options.redirects === undefined ? undefined : new Redirects(options.redirects),
    cors: options.cors,
    compress: compressorSettings(options),
    cacheEntries,
    cacheBytes,
    cacheMs,
    watch: cacheMs > 0 && (options.watch ?? true),
  }
}
