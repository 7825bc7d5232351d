import { invalidArgValue } from '../kernel/index.js'
import type { SiteOptions } from './site-options.js'

/** How the middleware serves a file: the names and values of `send`, and what else a site can do. */
export interface FileOptions
  extends Omit<
    SiteOptions,
    'root' | 'dotfiles' | 'immutable' | 'cacheControl' | 'ranges' | 'headers' | 'redirects'
  > {
  /** Names that begin with a dot: `'ignore'` (404, the default), `'deny'` (403), `'allow'`; `.well-known` is served anyway. */
  dotfiles?: 'allow' | 'deny' | 'ignore' | boolean
  /** For how long a client may keep a file without asking: milliseconds, or `'1d'`; 0 by default, a year at most. */
  maxAge?: number | string
  /** With `true`, every file never changes at its address; with globs, those do not, and are kept for a year. */
  immutable?: boolean | readonly string[]
  /** `false` sends no `Cache-Control`, a string that one instead of what `maxAge` and `immutable` say. */
  cacheControl?: boolean | string
  /** Serves ranges; true by default. */
  acceptRanges?: boolean
}

const YEAR_MS = 365 * 86_400_000
const UNITS: readonly (readonly [RegExp, number])[] = [
  [/^(?:|ms|msecs?|milliseconds?)$/i, 1],
  [/^(?:s|secs?|seconds?)$/i, 1000],
  [/^(?:m|mins?|minutes?)$/i, 60_000],
  [/^(?:h|hrs?|hours?)$/i, 3_600_000],
  [/^(?:d|days?)$/i, 86_400_000],
  [/^(?:w|weeks?)$/i, 7 * 86_400_000],
  [/^(?:y|yrs?|years?)$/i, 365.25 * 86_400_000],
]

/** @returns whole seconds of a `maxAge` */
function seconds(maxAge: number | string): number {
  const [, count, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(String(maxAge)) ?? []
  const factor = UNITS.find(([names]) => names.test(unit))?.[1]
  if (maxAge === Infinity) return YEAR_MS / 1000
  if (count === undefined || factor === undefined) {
    throw invalidArgValue('options.maxAge', maxAge, 'is neither milliseconds nor a time such as "1d"')
  }
  return Math.floor(Math.min(Number(count) * factor, YEAR_MS) / 1000)
}

function cacheControl({ cacheControl: given = true, maxAge = 0, immutable }: FileOptions): string | false {
  if (typeof given === 'string') return given
  const age = seconds(maxAge)
  return given && `public, max-age=${age}${immutable === true ? ', immutable' : ''}`
}

/** What `send` takes and we do not, and what there is instead: ignored without a word, it would send another answer. */
const NOT_OURS = {
  start: 'is not taken; sendFile() of sluice/transfer sends a piece of a file',
  end: 'is not taken; sendFile() of sluice/transfer sends a piece of a file',
  maxage: 'is spelled maxAge',
} as const

function refuseForeign(options: object): void {
  for (const [name, reason] of Object.entries(NOT_OURS)) {
    const value = (options as Record<string, unknown>)[name]
    if (value !== undefined) throw invalidArgValue(`options.${name}`, value, reason)
  }
}

/**
 * A site's options of those of the middleware.
 *
 * @throws `ERR_INVALID_ARG_VALUE`
 */
export function siteOptionsOf(root: string, options: FileOptions): SiteOptions {
  refuseForeign(options)
  const { dotfiles = 'ignore', immutable, acceptRanges = true, maxAge: _, ...rest } = options
  if (![true, false, 'allow', 'deny', 'ignore'].includes(dotfiles)) {
    throw invalidArgValue('options.dotfiles', dotfiles, 'is not allow, deny or ignore')
  }
  return {
    ...rest,
    root,
    dotfiles: dotfiles === 'deny' ? 'deny' : dotfiles === true || dotfiles === 'allow',
    cacheControl: cacheControl(options),
    ranges: acceptRanges,
    ...(Array.isArray(immutable) ? { immutable } : {}),
  }
}
