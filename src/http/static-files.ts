import { basename, dirname, resolve } from 'node:path'
import { fileOf } from './answer.js'
import { type NodeRequest, type NodeResponse, sendAnswer, siteRequest } from './node-answer.js'
import { Site } from './site.js'
import type { SiteOptions } from './site-options.js'

/** How `staticFiles()` serves; the rest is as of a site. */
export interface StaticFilesOptions extends Omit<SiteOptions, 'root'> {
  /** Leaves what is not there, and other methods than GET and HEAD, to the next handler; true by default. */
  fallthrough?: boolean
  /** Sets headers of its own before a file is sent. */
  setHeaders?: (response: NodeResponse, path: string) => void
}

/** A handler as Connect and Express have it. */
export type Middleware = (
  request: NodeRequest,
  response: NodeResponse,
  next: (error?: unknown) => void,
) => void

/** What is left to the next handler. */
const ABSENT = new Set([404, 405])

/**
 * Serves the files of a directory inside one of Node's own servers, as `serve-static` does: Express, Connect, plain
 * `node:http`, `https` and `http2`. On plain HTTP/1.1 the kernel moves the bytes; over TLS and HTTP/2 they are streamed.
 *
 * ```ts
 * app.use(staticFiles('public', { immutable: ['assets/**'] }))
 * ```
 *
 * @throws as a site does: for options that cannot be, and for a root that is no directory
 */
export function staticFiles(root: string, options: StaticFilesOptions = {}): Middleware {
  const { fallthrough = true, setHeaders, ...siteOptions } = options
  const site = new Site({ ...siteOptions, root })
  return (request, response, next) => {
    if (fallthrough && request.method !== 'GET' && request.method !== 'HEAD') {
      next()
      return
    }
    answerFrom(site, request, response, fallthrough, setHeaders).then(
      answered => {
        if (!answered) next()
      },
      error => fail(response, error, next),
    )
  }
}

/** @returns false where the next handler is to answer */
async function answerFrom(
  site: Site,
  request: NodeRequest,
  response: NodeResponse,
  fallthrough: boolean,
  setHeaders: StaticFilesOptions['setHeaders'],
): Promise<boolean> {
  const target = request.url ?? '/'
  const answer = await site.answer(siteRequest(request, target))
  if (fallthrough && ABSENT.has(answer.status)) {
    fileOf(answer)?.release()
    return false
  }
  if (answer.status === 301) {
    // Behind a mount point the request's own URL lacks its prefix, which the client must be sent to.
    const { originalUrl = target } = request as { originalUrl?: string }
    const prefix = originalUrl.endsWith(target)
      ? originalUrl.slice(0, originalUrl.length - target.length)
      : ''
    const location = answer.fields.find(([name]) => name === 'Location')?.[1] ?? '/'
    if (prefix !== '') response.setHeader('Location', prefix + location)
  }
  if (fileOf(answer) !== undefined) setHeaders?.(response, answer.path ?? '')
  await sendAnswer(request, response, answer)
  return true
}

/** A response that has begun cannot become another one: it ends short, and the client can tell. */
function fail(response: NodeResponse, error: unknown, next: (error?: unknown) => void): void {
  if (response.headersSent || response.destroyed) response.destroy(error as Error)
  else next(error)
}

/** How `sendFile()` finds and sends a file. */
export interface SendFileOptions extends Omit<SiteOptions, 'root'> {
  /** The directory below which a relative path lies; it cannot be left. Without it the path is the file's own. */
  root?: string
}

/** Sites of `sendFile()`, by what they were made of; the oldest gives way. */
const sites = new Map<string, Site>()
const MAX_SITES = 32

function siteFor(root: string, options: Omit<SiteOptions, 'root'>): Site {
  const key = JSON.stringify([root, options])
  const known = sites.get(key)
  if (known !== undefined) return known
  if (sites.size === MAX_SITES) {
    const [oldest] = sites.keys()
    sites.get(oldest)?.close()
    sites.delete(oldest)
  }
  const site = new Site({ ...options, root })
  sites.set(key, site)
  return site
}

/**
 * Answers a request of one of Node's servers with a file, as Express's `response.sendFile()` does: with its type and
 * validators, conditions and ranges.
 *
 * ```ts
 * createServer((request, response) => sendFile(response, 'report.pdf', { root: 'files' }))
 * ```
 *
 * @param path of the file: below `root`, or where there is none the path itself
 * @returns the status that was sent; rejects when the client has gone meanwhile
 */
export async function sendFile(
  response: NodeResponse,
  path: string,
  options: SendFileOptions = {},
): Promise<number> {
  const { root, ...rest } = options
  const file = root === undefined ? resolve(path) : path
  const site = siteFor(root ?? dirname(file), { dotfiles: root === undefined, index: false, ...rest })
  const name = root === undefined ? basename(file) : file
  const target = `/${name.split('/').map(encodeURIComponent).join('/')}`
  const request = response.req as NodeRequest
  const answer = await site.answer(siteRequest(request, target))
  await sendAnswer(request, response, answer)
  return answer.status
}
