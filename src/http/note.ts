import { HEADER } from './header-name.js'
import type { RequestHead } from './request-head.js'

/** What is noted of a request, which may be answered when its bytes are gone. */
export interface NotedRequest {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly referer: string | undefined
  readonly userAgent: string | undefined
}

/** Notes a request. @param bytes of the body that were sent @param startedMs when it came, of `performance.now()` */
export type Note = (request: NotedRequest, status: number, bytes: number, startedMs: number) => void

/** What is noted of a request with this head; of one that was none, as much as could be read. */
export function notedOf(head: RequestHead): NotedRequest {
  return {
    method: head.method || '-',
    target: head.target || '-',
    version: `1.${head.minor}`,
    referer: head.get(HEADER.REFERER),
    userAgent: head.get(HEADER.USER_AGENT),
  }
}
