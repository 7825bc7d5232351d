import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import { type HeadLimits, RequestHead } from './request-head.js'

/** The head of a request, and the status with which it is to be refused: 0 where it is not. */
export interface ReadHead {
  head: RequestHead
  refusal: number
}

/**
 * The head of a request that Node has read, read once more by our own rules: what is refused without TLS is refused over
 * it, and what HTTP/2 asks is held to the same.
 */
export function headOf(request: IncomingMessage, limits: HeadLimits): ReadHead {
  const { method, url, httpVersion, rawHeaders } = request
  // What Node takes for HTTP/0.9 has none.
  const version = httpVersion === '0.9' ? '' : ` HTTP/${httpVersion}`
  return read(`${method} ${url}${version}\r\n`, rawHeaders, limits)
}

/** The same of a request of HTTP/2, as if it were one of HTTP/1.1. @see RFC 9113, section 8.3.1 */
export function headOf2(request: Http2ServerRequest, limits: HeadLimits): ReadHead {
  const { method, rawHeaders, headers } = request
  const authority = headers[':authority']
  const target = method === 'CONNECT' ? authority : request.url
  // Where both name the host, they are to name the same.
  const hosts = new Set([authority, headers.host].filter(host => host !== undefined))
  const begin = [`${method} ${target} HTTP/1.1`, ...[...hosts].map(host => `Host: ${host}`)]
  const fields: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!rawHeaders[at].startsWith(':') && rawHeaders[at] !== 'host')
      fields.push(rawHeaders[at], rawHeaders[at + 1])
  }
  const found = read(`${begin.join('\r\n')}\r\n`, fields, limits)
  // Its frames, not its head, say where a body of no stated length ends.
  if (headers['content-length'] === undefined && !request.stream.endAfterHeaders)
    found.head.contentLength = -1
  return found
}

function read(begin: string, fields: readonly string[], limits: HeadLimits): ReadHead {
  let text = begin
  for (let at = 0; at < fields.length; at += 2) text += `${fields[at]}: ${fields[at + 1]}\r\n`
  const bytes = Buffer.from(`${text}\r\n`, 'latin1')
  const head = new RequestHead(limits)
  const result = head.parse(bytes, 0, bytes.length)
  // What is too little cannot be: it ends with an empty line.
  return { head, refusal: result === bytes.length ? 0 : result < 0 ? -result : 400 }
}
