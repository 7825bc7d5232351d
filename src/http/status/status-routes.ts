import { invalidArgType, invalidArgValue, type SocketAddress } from '../../kernel/index.js'
import { type Answer, plainAnswer } from '../answer.js'
import { parseTarget, type RequestPath } from '../request-path.js'
import { AddressFilter } from './address-filter.js'
import { exposition } from './exposition.js'
import { statusPage } from './status-page.js'
import type { StatusReport } from './status-report.js'

/** Where a server shows its state, and to whom. */
export interface StatusOptions {
  /** The page's path, such as `/.sluice/status`; its JSON is at `/json` below, and `/metrics` is for Prometheus. */
  path: string
  /** Clients that may see it besides those of this machine: addresses, networks such as `10.0.0.0/8`, or `all`. */
  allow?: readonly string[]
  /**
   * Names by which it may be asked for besides an address, `localhost`, the machine's name and the server's own `host`: a
   * browser can be led here by the name of another site. With `all` every name will do.
   */
  hosts?: readonly string[]
}

const encoder = new TextEncoder()
/** What is true now is not to be kept. */
const FIELDS = [
  ['Cache-Control', 'no-store'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Referrer-Policy', 'no-referrer'],
] as const

function answer(type: string, bytes: Uint8Array, more: readonly [string, string][] = []): Answer {
  const fields: [string, string][] = [
    ['Content-Type', type],
    ['Content-Length', String(bytes.length)],
    ...FIELDS.map(([name, value]): [string, string] => [name, value]),
    ...more,
  ]
  return { status: 200, fields, body: { kind: 'bytes', bytes }, isLocal: true }
}

/** Checks options. @param host of the server itself @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` */
export function checkStatusOptions(
  options: StatusOptions,
  host?: string,
): { segments: string[]; filter: AddressFilter } {
  if (typeof options?.path !== 'string')
    throw invalidArgType('options.status.path', 'of type string', options?.path)
  const path = options.path.startsWith('/') ? parseTarget(options.path) : undefined
  if (path === undefined || path.query !== '' || path.segments.length === 0)
    throw invalidArgValue('options.status.path', options.path, 'is no path such as /.sluice/status')
  const { allow = [], hosts = [] } = options
  return { segments: path.segments, filter: new AddressFilter(allow, hosts, 'options.status', host) }
}

/** The requests for a server's state among all others. They come before files: one of that name is not served. */
export class StatusRoutes {
  readonly #path: string
  readonly #filter: AddressFilter
  readonly #report: () => StatusReport

  /** @throws as {@link checkStatusOptions} */
  constructor(options: StatusOptions, report: () => StatusReport, host?: string) {
    const { segments, filter } = checkStatusOptions(options, host)
    this.#path = segments.join('/')
    this.#filter = filter
    this.#report = report
  }

  /** Answers a request for the state. @param host that it asked for @returns undefined for one that is for something else */
  answer(
    path: RequestPath,
    client: SocketAddress | undefined,
    host: string | undefined,
  ): Answer | Promise<Answer> | undefined {
    const name = path.segments.join('/')
    if (!name.startsWith(this.#path)) return undefined
    const which = name.slice(this.#path.length)
    if (which !== '' && which !== '/json' && which !== '/metrics') return undefined
    const refusal = this.#filter.refusal(client, host)
    if (refusal !== undefined)
      return { ...plainAnswer(403, [['Cache-Control', 'no-store']], refusal), isLocal: true }
    if (which === '') return this.#page()
    const report = this.#report()
    if (which === '/json') return answer('application/json', encoder.encode(JSON.stringify(report)))
    return answer('text/plain; version=0.0.4; charset=utf-8', encoder.encode(exposition(report)))
  }

  async #page(): Promise<Answer> {
    const { bytes, policy } = await statusPage()
    return answer('text/html; charset=utf-8', bytes, [['Content-Security-Policy', policy]])
  }
}
