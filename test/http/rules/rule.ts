/** Which of the servers a rule is held against: they differ in what they serve. */
export type SiteName = 'plain' | 'coded' | 'fallback' | 'rules' | 'status'

/** What a request must be answered with, by which section of which RFC. */
export interface Rule {
  /** RFC, section, and what it says. */
  name: string
  /**
   * Bytes, as Latin-1. `{etag}`, `{modified}`, `{earlier}` and `{later}` stand for the validators of `/a.txt`, `{coded}` for
   * the entity tag of `/app.js` as Brotli.
   */
  request: string
  status: number
  site?: SiteName
  /** Fields that must be there (a string, or a pattern), or must not (null). */
  fields?: Readonly<Record<string, string | RegExp | null>>
  /** The whole body. */
  body?: string | RegExp
  /** Whether the next request on the connection is answered; for most it is. */
  goesOn?: boolean
  /** Whether `100 Continue` comes first. */
  continued?: boolean
}

const HOST = 'Host: a.example'

/** Lines of a head, with their ends. */
export const head = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`

/** A request with a Host. */
export const ask = (line: string, ...fields: string[]) => head(`${line} HTTP/1.1`, HOST, ...fields)

/** GET of a target, with a Host. */
export const get = (target: string, ...fields: string[]) => ask(`GET ${target}`, ...fields)

/** A rule by which a request is refused, and the connection closed. */
export function refused(name: string, request: string, status = 400): Rule {
  return { name, request, status, goesOn: false }
}

/** A rule by which a request is answered with what `/a.txt` holds. */
export function served(name: string, request: string, more: Partial<Rule> = {}): Rule {
  return { name, request, status: 200, body: 'hello', ...more }
}
