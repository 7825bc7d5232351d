import { HEADER } from './header-name.js'
import type { RequestHead } from './request-head.js'
import { authorityOf } from './request-path.js'
import type { StoredResource } from './resource.js'
import type { Peer, SiteRequest } from './site.js'

/** Whether a request asks for a representation only if it is not what the client has, and it is: by the validators as we gave them. */
export function isCurrent(head: RequestHead, particular: number, stored: StoredResource): boolean {
  if (head.method !== 'GET' && head.method !== 'HEAD') return false
  if (particular === 1 << HEADER.IF_MODIFIED_SINCE) {
    return head.get(HEADER.IF_MODIFIED_SINCE) === stored.lastModified
  }
  // RFC 9110, 13.1.3: where there is an If-None-Match, the date does not count.
  if ((particular & ~(1 << HEADER.IF_MODIFIED_SINCE)) !== 1 << HEADER.IF_NONE_MATCH) return false
  return head.get(HEADER.IF_NONE_MATCH) === stored.etag
}

/** After a request that makes no sense, or whose body is not wanted, what follows is not to be trusted or not to be read. */
export function isFatal(status: number, { method, contentLength }: RequestHead): boolean {
  // Behind a CONNECT that has been refused there may be what was meant for the tunnel.
  return status === 400 || status === 421 || (status > 400 && contentLength !== 0) || method === 'CONNECT'
}

/** What a site needs to know of a request. */
export function requestOf(head: RequestHead, peer: Peer): SiteRequest {
  return {
    peer,
    // RFC 9112, 3.2.2: where the target names a host, the field does not count.
    host: authorityOf(head.target) ?? head.get(HEADER.HOST),
    method: head.method,
    target: head.target,
    acceptEncoding: head.get(HEADER.ACCEPT_ENCODING),
    accept: head.get(HEADER.ACCEPT),
    range: head.get(HEADER.RANGE),
    ifRange: head.get(HEADER.IF_RANGE),
    ifMatch: head.get(HEADER.IF_MATCH),
    ifNoneMatch: head.get(HEADER.IF_NONE_MATCH),
    ifModifiedSince: head.get(HEADER.IF_MODIFIED_SINCE),
    ifUnmodifiedSince: head.get(HEADER.IF_UNMODIFIED_SINCE),
  }
}
