import { errnoOf, type SocketAddress, syscall } from '../kernel/index.js'
import type { Encoding } from './accept-encoding.js'
import { acceptsHtml } from './accepts-html.js'
import { type Answer, bareAnswer, plainAnswer } from './answer.js'
import { readable, varyByAccept } from './answer-fields.js'
import { Compressor } from './compressor.js'
import type { Fields } from './fields.js'
import { keptDescriptors } from './kept-descriptors.js'
import { DirectoryListings } from './listing.js'
import { type Conditions, evaluateConditions, ifRangeHolds } from './preconditions.js'
import { parseRanges } from './ranges.js'
import { encodeSegment, parseTarget, type RequestPath } from './request-path.js'
import { openSidecars, Resource, type StoredResource } from './resource.js'
import { type CacheStats, ResourceCache } from './resource-cache.js'
import { RootDirectory } from './root-directory.js'
import { type SiteOptions, type SiteSettings, siteSettings } from './site-options.js'
import { StaticFile } from './static-file.js'
import type { StatusRoutes } from './status/status-routes.js'
import { notFoundAnswer, partialAnswer, unchangedAnswer, wholeAnswer } from './stored-answer.js'

/** Who asks. */
export interface Peer {
  readonly remoteAddress: SocketAddress | undefined
}

/** A request, as far as a site needs to know it. */
export interface SiteRequest extends Conditions {
  method: string
  target: string
  acceptEncoding: string | undefined
  accept: string | undefined
  range: string | undefined
  /** Whose it is, where that matters, and for which host it is meant. */
  peer?: Peer
  host?: string | undefined
  ifRange: string | undefined
}

const ALLOW = 'GET, HEAD, OPTIONS'
const ALLOWED: Fields = [['Allow', ALLOW]]
/** What a script of another origin may ask, for a day. @see https://fetch.spec.whatwg.org/#http-cors-protocol */
const PREFLIGHT: Fields = [
  ...ALLOWED,
  ['Access-Control-Allow-Methods', ALLOW],
  ['Access-Control-Allow-Headers', 'Range, If-Range, If-Match, If-None-Match, If-Modified-Since'],
  ['Access-Control-Max-Age', '86400'],
]
const KNOWN_METHODS = new Set(['POST', 'PUT', 'DELETE', 'CONNECT', 'TRACE', 'PATCH'])
const EACCES = -errnoOf('EACCES')
const EPERM = -errnoOf('EPERM')
const BUSY = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'].map(name => -errnoOf(name)))
const NOWHERE = new Set(
  ['ENOENT', 'ENOTDIR', 'ELOOP', 'EXDEV', 'ENAMETOOLONG', 'EINVAL', 'ENXIO', 'ENODEV'].map(
    name => -errnoOf(name),
  ),
)

/**
 * Turns requests into answers: which file, in which coding, which of its bytes, under which conditions. It knows
 * nothing of connections; the server on the ring and the middleware for Node's servers stand on it alike.
 */
export class Site {
  readonly settings: SiteSettings
  #root: RootDirectory
  #cache: ResourceCache
  readonly #compressor: Compressor | undefined
  readonly #listings: DirectoryListings
  #closed = false
  /** Answers found without opening anything, and all of them. */
  hits = 0
  lookups = 0
  /** Answers requests for the server's own state, before any file. */
  status: StatusRoutes | undefined

  constructor(options: SiteOptions) {
    this.settings = siteSettings(options)
    this.#root = new RootDirectory(this.settings.root, this.settings.symlinks)
    this.#cache = new ResourceCache(this.#root, this.settings)
    const { compress, dotfiles } = this.settings
    this.#compressor = compress === undefined ? undefined : new Compressor(compress)
    this.#listings = new DirectoryListings(path => this.#root.open(path), dotfiles === true)
  }

  /**
   * The answer to a request. Synchronous where the file is open already.
   *
   * @returns an answer whose file, if it has one, has been retained for the caller
   */
  answer(request: SiteRequest): Answer | Promise<Answer> {
    const { cors } = this.settings
    const answer = this.#decide(request)
    if (answer instanceof Promise) return this.#settle(request, answer)
    return cors === undefined ? answer : readable(answer, cors)
  }

  async #settle(request: SiteRequest, deciding: Promise<Answer>): Promise<Answer> {
    const { cors } = this.settings
    const answer = await deciding.catch(error => this.#fail(request, error))
    return cors === undefined ? answer : readable(answer, cors)
  }

  /** What a system call fails with is an answer too. @throws what is none of that */
  #fail(request: SiteRequest, error: NodeJS.ErrnoException): Answer | Promise<Answer> {
    if (typeof error?.syscall !== 'string' || error.errno === undefined) throw error
    return this.#refuse(request, error.errno)
  }

  #decide(request: SiteRequest): Answer | Promise<Answer> {
    const { method } = request
    if (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS') {
      // RFC 9110, 9.1: a method that nobody knows is told apart from one that is not for files.
      return KNOWN_METHODS.has(method) ? plainAnswer(405, [['Allow', ALLOW]]) : plainAnswer(501)
    }
    if (method === 'OPTIONS' && request.target === '*') return bareAnswer(204, [['Allow', ALLOW]])
    const path = parseTarget(request.target)
    if (path === undefined) return plainAnswer(400)
    if (method === 'OPTIONS') return bareAnswer(204, this.settings.cors === undefined ? ALLOWED : PREFLIGHT)
    const own = this.status?.answer(path, request.peer?.remoteAddress, request.host)
    if (own !== undefined) return own
    const moved = this.settings.redirects?.find(path)
    if (moved !== undefined) return plainAnswer(moved.status, [['Location', moved.location]])
    if (this.#isHidden(path.segments)) {
      return this.settings.dotfiles === 'deny' ? plainAnswer(403) : this.#nowhere(request)
    }
    this.lookups++
    const name = path.segments.join('/')
    const resource = path.directory ? undefined : this.#cache.fresh(name)
    if (resource !== undefined) {
      this.hits++
      return this.#represent(request, resource)
    }
    return path.directory ? this.#directory(request, path, name) : this.#open(request, path, name)
  }

  #isHidden(segments: readonly string[]): boolean {
    if (this.settings.dotfiles === true) return false
    return segments.some(
      (segment, index) => segment.startsWith('.') && !(index === 0 && segment === '.well-known'),
    )
  }

  /**
   * The resource that a target names, if it is open and was looked at lately: for requests that ask for nothing but
   * the whole of it.
   */
  hot(target: string): Resource | undefined {
    return this.#cache.hot(target)
  }

  /** Whether a resource was looked at lately, and is still the one that its path leads to. @param now of `performance.now()` */
  isFresh(resource: Resource, now: number): boolean {
    return now < resource.freshUntil
  }

  /** Lets `hot()` find a resource by its target. */
  remember(target: string, resource: Resource): void {
    this.#cache.remember(target, resource)
  }

  /** More of a resource may have come into memory. */
  grown(resource: Resource): void {
    this.#cache.grown(resource)
  }

  /** What is kept open, and how it is kept current. */
  cacheStats(): CacheStats & { compressed: { files: number; bytes: number } } {
    return { ...this.#cache.stats(), compressed: this.#compressor?.stats() ?? { files: 0, bytes: 0 } }
  }

  async #open(request: SiteRequest, path: RequestPath, name: string): Promise<Answer> {
    const found = await this.#load(name)
    if (found instanceof Resource) return this.#answerBy(request, found)
    if (found === 'directory') return this.#redirect(path)
    if (NOWHERE.has(found) && name !== '') {
      for (const extension of this.settings.extensions) {
        const page = await this.#load(`${name}.${extension}`)
        if (page instanceof Resource) return this.#answerBy(request, page)
      }
    }
    return this.#refuse(request, found)
  }

  /** @param resource retained, as `#load()` gives it */
  #answerBy(request: SiteRequest, resource: Resource): Answer | Promise<Answer> {
    try {
      return this.#represent(request, resource)
    } finally {
      resource.release()
    }
  }

  /** Opens a file, or sees that what is open is still it. A resource comes retained. */
  async #load(name: string): Promise<Resource | 'directory' | number> {
    const fresh = this.#cache.fresh(name)
    if (fresh !== undefined) return fresh.retain()
    // Others may take their place meanwhile, and this one is closed then.
    const root = this.#root
    root.retain()
    try {
      return await this.#loadFrom(root, this.#cache, name)
    } finally {
      root.release()
    }
  }

  /** @param cache of that root */
  async #loadFrom(
    root: RootDirectory,
    cache: ResourceCache,
    name: string,
  ): Promise<Resource | 'directory' | number> {
    const cover = await cache.cover(name)
    const opened = await root.open(name)
    if (typeof opened === 'number' || opened.kind !== 'file') {
      cache.uncover(cover)
      cache.drop(name)
      if (typeof opened === 'number') return opened
      syscall('close', opened.fd)
      return opened.kind === 'directory' ? 'directory' : EACCES
    }
    const { portable } = this.settings
    const file = new StaticFile(opened, undefined, portable)
    const watchable = opened.links === 1 && root.holds(opened.fd, name)
    const coded = this.settings.sidecars
      ? await openSidecars(root, name, file, portable)
      : new Map<Encoding, StaticFile>()
    if (typeof coded === 'number') {
      file.release()
      cache.uncover(cover)
      return coded
    }
    const known = cache.known(name)
    if (known?.isOf(file, coded)) {
      // Nothing has changed, or whoever asked for it at the same time was quicker.
      for (const same of [file, ...coded.values()]) same.release()
      cache.trust(known, cover, watchable && known.watchable)
      return known.retain()
    }
    const resource = new Resource(name, file, coded, this.settings)
    if (this.#closed || cache !== this.#cache) {
      cache.uncover(cover)
      return resource
    }
    return cache.keep(resource.retain(), cover, watchable && resource.watchable)
  }

  async #directory(request: SiteRequest, path: RequestPath, name: string): Promise<Answer> {
    const prefix = name === '' ? '' : `${name}/`
    for (const index of this.settings.index) {
      const found = await this.#load(prefix + index)
      if (found instanceof Resource) return this.#answerBy(request, found)
      if (typeof found === 'number' && !NOWHERE.has(found)) return this.#refuse(request, found)
    }
    if (!this.settings.listing) return this.#nowhere(request)
    const opened = await this.#root.open(name)
    if (typeof opened === 'number') return this.#refuse(request, opened)
    const directory = new StaticFile(opened)
    try {
      if (opened.kind !== 'directory') return await this.#nowhere(request)
      return await this.#list(directory, path, request)
    } finally {
      directory.release()
    }
  }

  async #list(directory: StaticFile, path: RequestPath, { accept }: SiteRequest): Promise<Answer> {
    const list = () => this.#listings.answer(directory, path, accept)
    return list().catch(error => {
      if (keptDescriptors.yield(error?.errno)) return list()
      throw error
    })
  }

  #redirect(path: RequestPath): Answer {
    // Built of the segments, so that "//host" in a target cannot become another site's address.
    const location = `/${path.segments.map(segment => `${encodeSegment(segment)}/`).join('')}${path.query}`
    return plainAnswer(301, [['Location', location]])
  }

  #refuse(request: SiteRequest, errno: number): Answer | Promise<Answer> {
    if (NOWHERE.has(errno)) return this.#nowhere(request)
    if (errno === EACCES || errno === EPERM) return plainAnswer(403)
    return BUSY.has(errno) ? plainAnswer(503, [['Retry-After', '1']]) : plainAnswer(500)
  }

  async #nowhere(request: SiteRequest): Promise<Answer> {
    const { fallback } = this.settings
    if (fallback === undefined) return this.#notFoundPage()
    if (acceptsHtml(request.accept)) {
      const page = await this.#load(fallback)
      if (page instanceof Resource) {
        // Another client may ask for the same and not take HTML: nothing to be kept at hand for this target.
        const { stored: _, ...answer } = await this.#answerBy(request, page)
        return varyByAccept(answer)
      }
    }
    return varyByAccept(await this.#notFoundPage())
  }

  async #notFoundPage(): Promise<Answer> {
    const { notFound } = this.settings
    const page = notFound === undefined ? undefined : await this.#load(notFound)
    if (!(page instanceof Resource)) return plainAnswer(404)
    const answer = notFoundAnswer(page)
    page.release()
    return answer
  }

  #represent(request: SiteRequest, resource: Resource): Answer | Promise<Answer> {
    const stored = resource.select(request.acceptEncoding)
    if (stored.encoding === undefined && request.range === undefined && resource.isCompressible) {
      const coding = this.#compressor?.choose(request.acceptEncoding)
      if (coding !== undefined) return this.#compressed(request, resource, coding)
    }
    return this.#stored(request, stored)
  }

  /** A file in a coding that is made when it is first asked for; as it is stored where that is not worth it. */
  async #compressed(request: SiteRequest, resource: Resource, coding: Encoding): Promise<Answer> {
    const { plain, path } = resource
    const found = { path, found: plain }
    const verdict = evaluateConditions(request, resource.validators(plain, resource.codedEtag(coding)), true)
    if (verdict === 304) {
      return { ...bareAnswer(304, resource.cacheFields(plain, resource.codedEtag(coding))), ...found }
    }
    if (verdict === 412) return { ...plainAnswer(412), ...found }
    resource.retain()
    try {
      const bytes = await this.#compressor?.get(plain, coding)
      if (bytes === undefined) return this.#stored(request, resource.identity)
      const fields = [...resource.codedFields(coding), ['Content-Length', String(bytes.length)]] as const
      return { status: 200, fields: fields as Fields, body: { kind: 'bytes', bytes }, ...found }
    } finally {
      resource.release()
    }
  }

  #stored(request: SiteRequest, stored: StoredResource): Answer {
    const { file, resource } = stored
    const found = { path: resource.path, found: file }
    const validators = resource.validators(file)
    const verdict = evaluateConditions(request, validators, true)
    if (verdict === 304) return unchangedAnswer(stored)
    if (verdict === 412) return { ...plainAnswer(412), ...found }
    const { ifRange } = request
    const range = this.settings.ranges && request.method === 'GET' ? request.range : undefined
    if (range === undefined) return wholeAnswer(stored)
    if (ifRange !== undefined && !ifRangeHolds(ifRange, validators, Date.now() / 1000))
      return wholeAnswer(stored)
    const ranges = parseRanges(range, file.size)
    if (ranges === undefined) return wholeAnswer(stored)
    if (ranges.length === 0) {
      return { ...plainAnswer(416, [['Content-Range', `bytes */${file.size}`]]), ...found }
    }
    return partialAnswer(stored, ranges)
  }

  /** Opens the root anew, where another directory may stand by now. @throws the system error; what was there stays */
  reopen(): void {
    const root = new RootDirectory(this.settings.root, this.settings.symlinks)
    const [oldRoot, oldCache] = [this.#root, this.#cache]
    this.#root = root
    this.#cache = new ResourceCache(root, this.settings, oldCache.stats().evictions)
    oldCache.close()
    oldRoot.close()
  }

  /** Closes every file and the root; responses under way keep theirs. */
  close(): void {
    this.#closed = true
    this.#cache.close()
    this.#root.close()
  }
}
