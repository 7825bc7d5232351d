const HTML = /^text\/html\s*(?:;|$)/i
const REFUSED = /;\s*q=0(?:\.0{0,3})?\s*(?:;|$)/i

/** Whether an `Accept` names HTML, and does not refuse it. @see RFC 9110, section 12.5.1 */
export function acceptsHtml(accept = ''): boolean {
  return accept.split(',').some(range => HTML.test(range.trim()) && !REFUSED.test(range))
}
