import { resolve } from 'node:path'
import { checkObject, invalidArgType } from '../kernel/index.js'
import { type Answer, fileOf } from './answer.js'
import { closeWhenCalledOff } from './called-off.js'
import { errorOf, type HttpError, httpError } from './http-error.js'
import { type FileOptions, siteOptionsOf } from './middleware-options.js'
import { type NodeRequest, type NodeResponse, sendAnswer, siteRequest } from './node-answer.js'
import { Site } from './site.js'
import type { StaticFile } from './static-file.js'

/** What `setHeaders()` is told of a file: as `fs.Stats` has it. */
export interface FileStats {
  size: number
  mtime: Date
  mtimeMs: number
  ino: number
  dev: number
}

/** How `staticFiles()` serves; the rest is as of a site. */
export interface StaticFilesOptions extends Omit<FileOptions, 'index' | 'extensions'> {
  /** Leaves to the next handler what is not there, malformed or forbidden, and other methods than GET and HEAD; true by default. */
  fallthrough?: boolean
  /** Sends a client that leaves out a directory's slash to where it is; true by default. */
  redirect?: boolean
  /** Files that stand for their directory; `'index.html'` by default, `false` for none. */
  index?: string | readonly string[] | false
  /** Tried, in this order, behind a path that leads nowhere: `['html']`. None by default. */
  extensions?: string | readonly string[] | false
  /** Headers by glob. */
  headers?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Sets headers of its own once a file is found, which win over ours, but for what frames the body. */
  setHeaders?: (response: NodeResponse, path: string, stats: FileStats) => void
}

/** A handler as Connect and Express have it. */
export interface Middleware extends Disposable {
  (request: NodeRequest, response: NodeResponse, next: (error?: unknown) => void): void
  /** Lets go of the directory, and of its files once responses under way are through. Nothing can be asked for any more. */
  close(): void
}

const listOf = (value: string | readonly string[] | false | undefined) =>
  value === undefined || value === false ? [] : typeof value === 'string' ? [value] : value

const statsOf = ({ size, modified, inode, device }: StaticFile): FileStats => {
  const mtimeMs = Number(modified) / 1e6
  return { size, mtime: new Date(mtimeMs), mtimeMs, ino: inode, dev: device }
}

/** The path of a target: without its query, and without scheme and host where it has them. */
function pathnameOf(target: string): string {
  return target.replace(/^https?:\/\/[^/?]*/i, '').replace(/\?.*$/s, '') || '/'
}

/** One middleware: what it serves from, and how. */
class StaticFiles {
  readonly #root: string
  readonly #site: Site
  readonly #fallthrough: boolean
  readonly #redirects: boolean
  readonly #setHeaders: StaticFilesOptions['setHeaders']

  constructor(root: string, options: StaticFilesOptions) {
    const { fallthrough = true, redirect = true, setHeaders, index, extensions, headers, ...rest } = options
    this.#root = resolve(root)
    this.#fallthrough = fallthrough
    this.#redirects = redirect
    this.#setHeaders = setHeaders
    this.#site = new Site({
      ...siteOptionsOf(root, rest),
      index: listOf(index ?? 'index.html'),
      extensions: listOf(extensions),
      ...(headers === undefined ? {} : { headers }),
    })
  }

  close(): void {
    this.#site.close()
  }

  /** @returns what is for the next handler: nothing, an error, or all of it (`true`) */
  async handle(request: NodeRequest, response: NodeResponse): Promise<HttpError | true | undefined> {
    if (request.method !== 'GET' && request.method !== 'HEAD') return this.#refuse(response)
    const target = request.url ?? '/'
    const { originalUrl = target } = request as { originalUrl?: string }
    // At a mount point without its slash relative links would lead beside it.
    if (originalUrl !== target && pathnameOf(target) === '/' && !pathnameOf(originalUrl).endsWith('/')) {
      return this.#redirect(response, originalUrl)
    }
    const answer = await this.#site.answer(siteRequest(request, target, response.statusCode))
    try {
      if (answer.status === 301) return this.#redirect(response, originalUrl)
      if (answer.status >= 400 && answer.body.kind !== 'file') return this.#pass(answer)
      if (answer.found !== undefined && answer.path !== undefined && this.#setHeaders !== undefined) {
        this.#setHeaders(response, resolve(this.#root, answer.path), statsOf(answer.found))
      }
      if (!closeWhenCalledOff(response)) await sendAnswer(request, response, answer)
      return undefined
    } finally {
      fileOf(answer)?.release()
    }
  }

  /** Once a file is found, what is wrong with the request is told; before that it may be somebody else's. */
  #pass(answer: Answer): HttpError | true {
    const forgiven = this.#fallthrough && answer.found === undefined && answer.status < 500
    return forgiven ? true : errorOf(answer)
  }

  #refuse(response: NodeResponse): true | undefined {
    if (this.#fallthrough) return true
    response.statusCode = 405
    response.setHeader('Allow', 'GET, HEAD')
    response.setHeader('Content-Length', '0')
    response.end()
    return undefined
  }

  #redirect(response: NodeResponse, originalUrl: string): HttpError | true | undefined {
    if (!this.#redirects) return this.#fallthrough ? true : httpError(404)
    // One slash at its beginning, or "//host" and "/\host" would become another site's address.
    const path = pathnameOf(originalUrl)
      .replace(/^[/\\]+/, '/')
      .replaceAll('\\', '%5C')
    response.statusCode = 301
    response.setHeader('Location', `${path}/${/\?.*$/s.exec(originalUrl)?.[0] ?? ''}`)
    response.setHeader('Content-Length', '0')
    response.end()
    return undefined
  }
}

/**
 * Serves the files of a directory inside one of Node's own servers, as `serve-static` does: Express, Connect, plain
 * `node:http`, `https` and `http2`. On plain HTTP/1.1 the kernel moves the bytes; over TLS and HTTP/2 they are streamed.
 *
 * ```ts
 * app.use(staticFiles('public', { maxAge: '1h', immutable: ['assets/**'] }))
 * ```
 *
 * Errors come to `next()` as {@link HttpError}.
 *
 * @throws as a site does: for options that cannot be, and for a root that is no directory
 */
export function staticFiles(root: string, options: StaticFilesOptions = {}): Middleware {
  if (typeof root !== 'string') throw invalidArgType('root', 'of type string', root)
  checkObject(options)
  const files = new StaticFiles(root, options)
  const handle = (request: NodeRequest, response: NodeResponse, next: (error?: unknown) => void) => {
    files.handle(request, response).then(
      left => {
        if (left === true) next()
        else if (left !== undefined) next(left)
      },
      error => fail(response, error, next),
    )
  }
  const close = () => files.close()
  return Object.assign(handle, { close, [Symbol.dispose]: close })
}

/** A response that has begun cannot become another one: it ends short, and the client can tell. */
function fail(response: NodeResponse, error: unknown, next: (error?: unknown) => void): void {
  if (response.headersSent || response.destroyed) response.destroy(error as Error)
  else next(error)
}
