import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { sendLent, transfer } from '../transfer/index.js'
import type { Answer } from './answer.js'
import { withPartType } from './multipart.js'
import type { SiteRequest } from './site.js'

/** A request of one of Node's servers. */
export type NodeRequest = IncomingMessage | Http2ServerRequest

/** A response of one of Node's servers. */
export type NodeResponse = ServerResponse | Http2ServerResponse

function field(request: NodeRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/**
 * What a site needs to know of a request. Whatever its method, the handler has decided to answer with a file.
 *
 * @param target without the prefix at which the site is mounted
 * @param status that is set already: conditions and ranges count only where it is a success (RFC 9110, 13.2.1)
 */
export function siteRequest(request: NodeRequest, target: string, status: number): SiteRequest {
  const whole = status < 200 || status > 299
  const condition = (name: string) => (whole ? undefined : field(request, name))
  return {
    method: request.method === 'HEAD' ? 'HEAD' : 'GET',
    target,
    host: field(request, 'host') ?? field(request, ':authority'),
    acceptEncoding: field(request, 'accept-encoding'),
    accept: field(request, 'accept'),
    range: condition('range'),
    ifRange: condition('if-range'),
    ifMatch: condition('if-match'),
    ifNoneMatch: condition('if-none-match'),
    ifModifiedSince: condition('if-modified-since'),
    ifUnmodifiedSince: condition('if-unmodified-since'),
  }
}

/** What describes a body, of which a 304 has none. */
const CONTENT_FIELDS = ['Content-Encoding', 'Content-Language', 'Content-Type']
/** Where a body ends, and what of the file it is: only we know. */
const FRAMING_FIELDS = ['Content-Length', 'Content-Range', 'Transfer-Encoding']

/** What an answer varies by, added to what it varies by already; caches would mix answers up that forgot one of them. */
function varyWith(preset: string, own: string): string {
  const names = preset.split(',').map(name => name.trim())
  const known = new Set(names.map(name => name.toLowerCase()))
  const missing = own.split(', ').filter(name => !known.has(name.toLowerCase()))
  return known.has('*') ? '*' : [...names, ...missing].filter(name => name !== '').join(', ')
}

/** A coding of ours, behind one that the file has already. @see RFC 9110, 8.4: in the order in which they were applied */
function codedWith(preset: string, own: string): string {
  return [own, 'identity'].includes(preset.toLowerCase()) ? own : `${preset}, ${own}`
}

/** Fields that say what holds together with what is set already. */
const ADDED = new Map([
  ['vary', varyWith],
  ['content-encoding', codedWith],
])

/** Sets what is not set already, and what is only ours to say. */
function setFields(response: NodeResponse, { status, fields, body }: Answer): void {
  // Only what is there: Node takes a removed Transfer-Encoding for a body that is never to be sent in chunks.
  for (const name of FRAMING_FIELDS) if (response.hasHeader(name)) response.removeHeader(name)
  if (status === 304) for (const name of CONTENT_FIELDS) response.removeHeader(name)
  if (body.kind === 'parts') response.removeHeader('Content-Type')
  for (const [name, value] of fields) {
    const preset = response.getHeader(name)
    const added = ADDED.get(name.toLowerCase())
    if (preset === undefined) response.setHeader(name, value)
    else if (added !== undefined) response.setHeader(name, added(String(preset), value))
  }
}

/**
 * Answers by one of Node's servers. Headers that are set already stay as they are, but for what frames the body; so does a
 * status in place of 200. `Vary` and codings are added to, and a type is that of the parts where there are several.
 *
 * @returns bytes of the body, once the response is handed over; rejects when the client has gone or the file got shorter
 */
export async function sendAnswer(
  request: NodeRequest,
  response: NodeResponse,
  found: Answer,
): Promise<number> {
  const type = response.getHeader('Content-Type')
  const answer = type === undefined ? found : withPartType(found, String(type))
  if (answer.status !== 200) response.statusCode = answer.status
  setFields(response, answer)
  const { body } = answer
  if (request.method === 'HEAD' || body.kind === 'none') {
    response.end()
    return 0
  }
  if (body.kind === 'bytes') {
    response.end(body.bytes)
    return body.bytes.length
  }
  if (body.kind === 'parts') return sendParts(response, body)
  const { start, length } = body
  return (await sendLent(response, body.file.lent, { offset: start, length })).bytes
}

/** Part by part; on plain HTTP/1.1 the kernel moves each one's bytes behind its head. */
async function sendParts(
  response: NodeResponse,
  body: Extract<Answer['body'], { kind: 'parts' }>,
): Promise<number> {
  const sink = 'stream' in response ? response.stream : response
  if ('stream' in response && !response.headersSent) response.writeHead(response.statusCode)
  let bytes = body.closing.length
  try {
    for (const { head, range } of body.parts) {
      // Not awaited: a pipelined response whose turn has not come would tell nothing of its connection's end. The transfer does.
      sink.write(head)
      const length = range.end - range.start + 1
      bytes += head.length + length
      await transfer(body.file.fd, sink, { offset: range.start, length })
    }
  } catch (error) {
    // The client was told of more bytes than will come, and must be able to tell: a stream by its error.
    sink.destroy('stream' in response ? (error as Error) : undefined)
    throw error
  }
  sink.write(body.closing)
  response.end()
  return bytes
}
