import { invalidArgType, invalidArgValue } from '../kernel/index.js'
import { encodeSegment, parseTarget, type RequestPath } from './request-path.js'

const RULE = /^(?:(30[12378]) +)?(\/(?:[!-.0-[\]-~][!-~]*)?|https?:\/\/[!-~]+)$/

/** Where a path has gone, and with which status that is told. */
export interface Moved {
  status: number
  location: string
}

/** Where what a rule names has gone. */
interface Redirect {
  status: number
  to: string
  /** Whether what comes behind the rule's own path comes behind the new one, too. */
  carries: boolean
}

/** Paths that have moved, by the rules of a site. */
export class Redirects {
  readonly #exact = new Map<string, Redirect>()
  /** Of everything below a path, the longest path first. */
  readonly #below: (readonly [below: readonly string[], redirect: Redirect])[] = []

  /**
   * @param rules by path, or `/path/*` for everything below it: where to, and a status before it unless it is 301
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`
   */
  constructor(rules: Readonly<Record<string, string>>) {
    for (const [from, rule] of Object.entries(rules)) {
      const below = from.endsWith('/*')
      const segments = segmentsOf(from, below)
      const redirect = redirectOf(from, rule, below)
      if (below) this.#below.push([segments, redirect])
      else this.#exact.set(segments.join('/'), redirect)
    }
    this.#below.sort(([a], [b]) => b.length - a.length)
  }

  /** @returns undefined where a path has not moved */
  find({ segments, directory, query }: RequestPath): Moved | undefined {
    const exact = this.#exact.get(segments.join('/'))
    if (exact !== undefined) return moved(exact, '', query)
    const found = this.#below.find(([below]) => below.every((segment, at) => segments[at] === segment))
    if (found === undefined) return undefined
    const rest = segments.slice(found[0].length).map(encodeSegment).join('/')
    return moved(found[1], rest === '' || !directory ? rest : `${rest}/`, query)
  }
}

function segmentsOf(from: string, below: boolean): readonly string[] {
  const path = parseTarget(below ? from.slice(0, -1) : from)
  if (!from.startsWith('/') || path === undefined || path.query !== '')
    throw invalidArgValue('options.redirects', from, 'is not a path such as /old or /old/*')
  return path.segments
}

function redirectOf(from: string, rule: unknown, below: boolean): Redirect {
  if (typeof rule !== 'string')
    throw invalidArgType('options.redirects', 'an object of strings', { [from]: rule })
  const [, status = '301', to] = RULE.exec(rule) ?? []
  if (to === undefined)
    throw invalidArgValue(
      `options.redirects['${from}']`,
      rule,
      'is not /path or https://host/path, after a status or not',
    )
  const carries = to.endsWith('/*')
  if (carries && !below)
    throw invalidArgValue(
      `options.redirects['${from}']`,
      rule,
      'ends in *, and the path that it is for does not',
    )
  return { status: Number(status), to: carries ? to.slice(0, -1) : to, carries }
}

function moved({ status, to, carries }: Redirect, rest: string, query: string): Moved {
  const target = carries ? to + rest : to
  const [address = '', fragment] = target.split('#', 2)
  const whole = address.includes('?') ? address : address + query
  return { status, location: fragment === undefined ? whole : `${whole}#${fragment}` }
}
