import { isAbsolute, resolve } from 'node:path'
import { checkObject, invalidArgType, invalidArgValue } from '../kernel/index.js'
import { type Answer, fileOf } from './answer.js'
import { closeWhenCalledOff, isClientGone } from './called-off.js'
import { errorOf, httpError } from './http-error.js'
import { withSite } from './kept-sites.js'
import { type FileOptions, siteOptionsOf } from './middleware-options.js'
import { type NodeRequest, type NodeResponse, sendAnswer, siteRequest } from './node-answer.js'

/** How `sendFile()` finds and sends a file. */
export interface SendFileOptions
  extends Omit<FileOptions, 'index' | 'extensions' | 'cleanUrls' | 'fallback' | 'notFound' | 'listing'> {
  /** The directory below which the path lies; it cannot be left. Without it the path must be absolute. */
  root?: string
  /** Headers that go with the file, and win over ours, but for what frames the body. */
  headers?: Readonly<Record<string, string | readonly string[]>>
}

/** Told once the file has been sent, or why it was not. */
export type SendFileCallback = (error?: Error & { status?: number; code?: string }) => void

const CLIMBS = /(?:^|[\\/])\.\.(?:[\\/]|$)/
const GONE = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'])

/** Looks the file up. @throws with a status, for what is no file that can be sent */
async function find(response: NodeResponse, path: string, options: SendFileOptions): Promise<Answer> {
  const { statusCode: status, req: request } = response
  const { root, headers: _, ...rest } = options
  if (typeof path !== 'string') throw invalidArgType('path', 'of type string', path)
  if (root === undefined && !isAbsolute(path)) {
    throw invalidArgValue('path', path, 'is relative, and there is no options.root')
  }
  if (CLIMBS.test(path)) throw httpError(403)
  // A file that the program names itself may lie in any directory, behind any link.
  const own = root === undefined ? ({ dotfiles: 'allow', symlinks: 'follow' } as const) : {}
  const settings = { ...siteOptionsOf(resolve(root ?? '/'), { ...own, ...rest }), index: false } as const
  const target = `/${path.split('/').filter(Boolean).map(encodeURIComponent).join('/')}`
  const answer = await withSite(settings, site => site.answer(siteRequest(request, target, status)))
  if (answer.status === 301 || (answer.status === 404 && target === '/')) {
    throw httpError(404, 'EISDIR', 'It is a directory')
  }
  if (path.endsWith('/') && answer.found !== undefined) {
    fileOf(answer)?.release()
    throw httpError(404, 'ENOTDIR', 'It is no directory')
  }
  if (answer.status >= 400) throw errorOf(answer)
  return answer
}

/** As `find()`, where even the root may be gone. */
async function look(response: NodeResponse, path: string, options: SendFileOptions): Promise<Answer> {
  try {
    return await find(response, path, options)
  } catch (error) {
    if (!GONE.has((error as NodeJS.ErrnoException).code ?? '') || 'status' in (error as Error)) throw error
    throw Object.assign(httpError(404), { cause: error })
  }
}

const aborted = (cause?: unknown) =>
  Object.assign(new Error('Request aborted', { cause }), { code: 'ECONNABORTED' })

async function send(response: NodeResponse, path: string, options: SendFileOptions): Promise<number> {
  if (typeof response?.setHeader !== 'function')
    throw invalidArgType('response', 'an instance of ServerResponse or Http2ServerResponse', response)
  checkObject(options)
  const request = response.req as NodeRequest
  const answer = await look(response, path, options)
  try {
    if (response.headersSent) throw httpError(500, 'ERR_HTTP_HEADERS_SENT', 'The head has been sent already')
    for (const [name, value] of Object.entries(options.headers ?? {})) response.setHeader(name, value)
    if (closeWhenCalledOff(response)) throw aborted()
    await sendAnswer(request, response, answer)
    return response.statusCode
  } catch (error) {
    throw isClientGone(response, error) ? aborted(error) : error
  } finally {
    fileOf(answer)?.release()
  }
}

/**
 * Answers a request of one of Node's servers with a file, as Express's `response.sendFile()` does: with its type and
 * validators, conditions and ranges. A status that is set already stays in place of 200, and so do headers.
 *
 * ```ts
 * createServer((request, response) => {
 *   sendFile(response, 'report.pdf', { root: 'files' }, error => {
 *     if (error !== undefined && !response.headersSent) response.writeHead(error.status ?? 500).end()
 *   })
 * })
 * ```
 *
 * @param path of the file: absolute, or below `root`
 * @returns the status that was sent. Rejects, before anything is sent, with an error that has a `status` (404; 403 for a
 *   path that climbs; 412, 416); with `code: 'EISDIR'` for a directory, `'ENOTDIR'` for a file with a slash behind its
 *   name; with `code: 'ECONNABORTED'` when the client has gone meanwhile
 */
export function sendFile(response: NodeResponse, path: string, options?: SendFileOptions): Promise<number>
export function sendFile(response: NodeResponse, path: string, callback: SendFileCallback): undefined
export function sendFile(
  response: NodeResponse,
  path: string,
  options: SendFileOptions | undefined,
  callback: SendFileCallback | undefined,
): undefined
export function sendFile(
  response: NodeResponse,
  path: string,
  options: SendFileOptions | SendFileCallback = {},
  callback?: SendFileCallback,
): Promise<number> | undefined {
  const done = typeof options === 'function' ? options : callback
  const sent = send(response, path, typeof options === 'function' ? {} : options)
  if (done === undefined) return sent
  sent.then(
    () => done(),
    error => done(error),
  )
  return undefined
}
