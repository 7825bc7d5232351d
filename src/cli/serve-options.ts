import type { HeadLimits, StatusOptions, TlsOptions, WorkerServeOptions } from '../http/index.js'

/** What kind of value an option takes. */
export type OptionKind = 'string' | 'integer' | 'boolean' | 'strings' | 'pairs' | 'headers'

/** An option of `sluice serve`: what the command line, the environment and the configuration file know of it. */
export interface ServeOption {
  kind: OptionKind
  /** One line, for the help and the schema. */
  description: string
  /** What its value stands for in the help: `FILE`. */
  argument?: string
  short?: string
  /** The only values it takes. */
  choices?: readonly string[]
  min?: number
  max?: number
  /** Values that it takes besides. */
  also?: readonly (string | false)[]
}

/** Every option by its name in `serve()`; those of an object with a dot. The compiler sees to it that none is missing. */
type OptionName =
  | Exclude<keyof WorkerServeOptions, 'tls' | 'headLimits' | 'status'>
  | `tls.${Exclude<keyof TlsOptions, 'ticketKeys'>}`
  | `headLimits.${keyof HeadLimits}`
  | `status.${keyof StatusOptions}`

const MILLISECONDS = { kind: 'integer', argument: 'MS', min: 0, max: 2 ** 31 - 1 } as const
const COUNT = { kind: 'integer', argument: 'N', min: 0, max: 2 ** 31 - 1 } as const
const BYTES = { ...COUNT, argument: 'BYTES' } as const

const WHERE = {
  root: { kind: 'string', argument: 'DIR', description: 'the folder, as the operand is' },
  port: {
    ...COUNT,
    short: 'p',
    max: 65_535,
    description: 'port; 8080 by default, 0 for one that is free',
  },
  host: { kind: 'string', argument: 'ADDRESS', description: 'address to listen on; 127.0.0.1 by default' },
  path: { kind: 'string', argument: 'SOCKET', description: 'listen on a Unix socket instead' },
  fd: { ...COUNT, description: 'listen on a descriptor that was inherited instead' },
  reusePort: { kind: 'boolean', description: 'let several processes share the port' },
  workers: { ...COUNT, min: 1, max: 1024, description: 'threads that serve; one, this one, by default' },
  'tls.cert': {
    kind: 'string',
    argument: 'FILE',
    description: 'serve over TLS and HTTP/2, with this chain (PEM)',
  },
  'tls.key': { kind: 'string', argument: 'FILE', description: 'the private key to it (PEM)' },
  'tls.minVersion': {
    kind: 'string',
    argument: 'VERSION',
    choices: ['TLSv1.2', 'TLSv1.3'],
    description: 'the oldest that is spoken: TLSv1.2 (default) or TLSv1.3',
  },
  'tls.passphrase': { kind: 'string', argument: 'TEXT', description: 'what the key is encrypted with' },
} as const

const WHAT = {
  index: {
    kind: 'strings',
    argument: 'FILE',
    also: [false],
    description: 'stands for its folder; index.html by default; repeatable',
  },
  listing: { kind: 'boolean', description: 'list folders that have no index' },
  cleanUrls: { kind: 'boolean', description: 'serve about.html for /about' },
  fallback: {
    kind: 'string',
    argument: 'FILE',
    description: 'served for what is not there, to clients that take HTML',
  },
  notFound: { kind: 'string', argument: 'FILE', description: 'served with 404 for what is not there' },
  symlinks: {
    kind: 'string',
    argument: 'POLICY',
    choices: ['beneath', 'deny', 'follow'],
    description: 'beneath (default), deny or follow',
  },
  extensions: {
    kind: 'strings',
    argument: 'EXT',
    description: 'tried behind a path that leads nowhere; repeatable',
  },
  dotfiles: {
    kind: 'boolean',
    also: ['deny'],
    description: 'serve names that begin with a dot; deny answers 403',
  },
  sidecars: { kind: 'boolean', description: 'serve .br, .zst and .gz files beside a file; on by default' },
  cacheControl: { kind: 'string', also: [false], argument: 'VALUE', description: 'Cache-Control of files' },
  etag: {
    kind: 'boolean',
    also: ['portable'],
    description: 'send an entity tag; on by default; portable: one for all copies',
  },
  lastModified: { kind: 'boolean', description: 'send when a file was modified; on by default' },
  ranges: { kind: 'boolean', description: 'serve ranges; on by default' },
  immutable: {
    kind: 'strings',
    argument: 'GLOB',
    description: 'files whose names hold a hash; repeatable',
  },
  download: { kind: 'strings', argument: 'GLOB', description: 'files to be saved, not shown; repeatable' },
  compress: { kind: 'boolean', description: 'compress text on the fly' },
  compressMinBytes: { ...BYTES, description: 'of a file worth compressing; 1024 by default' },
  compressMaxBytes: {
    ...BYTES,
    max: 2 ** 30,
    description: 'of a file compressed at most; 4194304 by default',
  },
  compressCacheBytes: { ...BYTES, description: 'of compressed files kept; 33554432 by default' },
  types: {
    kind: 'pairs',
    argument: 'EXT=TYPE',
    description: 'media type of names with an ending; repeatable',
  },
  redirects: {
    kind: 'pairs',
    argument: 'PATH=URL',
    description: 'where a path has moved, /old=/new or "/old/*=302 /new/*"; repeatable',
  },
  headers: { kind: 'headers', description: 'further headers by glob' },
  cors: {
    kind: 'string',
    argument: 'ORIGIN',
    description: 'Access-Control-Allow-Origin: * or one origin',
  },
  cacheEntries: {
    ...COUNT,
    min: 1,
    max: 2 ** 20,
    description: 'files that are kept open; 16384 by default, or half of the descriptors',
  },
  cacheBytes: { ...BYTES, description: 'of small files kept in memory; 67108864 by default' },
  watch: { kind: 'boolean', description: 'have inotify tell of changes; on by default' },
  cacheMs: { ...MILLISECONDS, description: 'how long a kept file is trusted; 1000 by default' },
} as const

const HOW_MUCH = {
  maxConnections: { ...COUNT, min: 1, description: 'connections at once; 16384 by default' },
  maxConnectionsPerAddress: { ...COUNT, description: 'connections of one address; 0, the default: any' },
  'headLimits.line': { ...BYTES, min: 1, max: 2 ** 20, description: 'of a request line; 8192 by default' },
  'headLimits.fields': { ...COUNT, min: 1, max: 2 ** 20, description: 'header fields; 100 by default' },
  'headLimits.bytes': {
    ...BYTES,
    min: 1,
    max: 2 ** 20,
    description: 'of a request head; 16384 by default',
  },
  maxBody: { ...BYTES, description: 'of a request body; 1048576 by default' },
  maxRequests: { ...COUNT, description: 'requests of one connection; 0, the default: any' },
  maxPipelined: { ...COUNT, description: 'requests sent ahead of their answers; 0, the default: any' },
  maxRate: { ...BYTES, description: 'a second that one connection is sent; 0, the default: any' },
  headTimeout: { ...MILLISECONDS, description: 'for a head to come; 10000 by default' },
  bodyTimeout: { ...MILLISECONDS, description: 'for a body to come; 30000 by default' },
  idleTimeout: { ...MILLISECONDS, description: 'between requests; 65000 by default' },
  sendTimeout: { ...MILLISECONDS, description: 'without a byte of a response taken; 30000 by default' },
  shutdownTimeout: { ...MILLISECONDS, description: 'for responses under way at the end; 30000 by default' },
  minRate: { ...BYTES, description: 'a second that a client must take; 128 by default' },
  rateWindow: { ...MILLISECONDS, description: 'that minRate is an average of; 10000 by default' },
  accessLog: { kind: 'string', argument: 'FILE', description: 'note every request; - for standard output' },
  accessLogFormat: {
    kind: 'string',
    argument: 'NAME',
    choices: ['common', 'combined', 'json'],
    description: 'combined (default), common or json',
  },
  'status.path': {
    kind: 'string',
    argument: 'PATH',
    description: 'show the state there, to clients of this machine: /.sluice/status',
  },
  'status.allow': {
    kind: 'strings',
    argument: 'ADDRESS',
    description: 'show it to these too: an address, 10.0.0.0/8 or all; repeatable',
  },
  'status.hosts': {
    kind: 'strings',
    argument: 'NAME',
    description: 'show it under this name too, besides addresses and localhost; repeatable',
  },
} as const

/** Every option, in the order of the help. */
export const SERVE_OPTIONS: Readonly<Record<OptionName, ServeOption>> = { ...WHERE, ...WHAT, ...HOW_MUCH }

/** What an option is called where it is all that its object must have: `status`. */
const briefly = (name: string) => (name === 'status.path' ? 'status' : name)

/** The environment's name of an option. */
export const variableOf = (name: string) =>
  `SLUICE_SERVE_${briefly(name)
    .replace('.', '_')
    .replace(/[A-Z]/g, letter => `_${letter}`)}`.toUpperCase()

/** The command line's name of an option, without dashes. */
export const flagOf = (name: string) =>
  briefly(name)
    .replace('.', '-')
    .replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)

/** What a value is to be, in words. */
export function wanted(option: ServeOption): string {
  const { kind, choices, min, max, also = [] } = option
  if (choices !== undefined) return `one of ${choices.join(', ')}`
  const range = min === undefined ? '' : ` from ${min} to ${max}`
  const words = {
    string: 'a string',
    integer: `a whole number${range}`,
    boolean: 'true or false',
    strings: 'an array of strings',
    pairs: 'an object of strings, as a flag NAME=VALUE',
    headers: 'an object of objects of strings, by glob',
  }
  return [words[kind], ...also].join(', or ')
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

/** Whether something is an object, and no array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a value is what an option takes. */
export function fits(value: unknown, option: ServeOption): boolean {
  const { kind, choices, min = Number.NEGATIVE_INFINITY, max = Infinity, also = [] } = option
  if (also.includes(value as string | false)) return true
  switch (kind) {
    case 'integer':
      return Number.isInteger(value) && (value as number) >= min && (value as number) <= max
    case 'strings':
      return isStrings(value)
    case 'pairs':
      return isRecord(value) && isStrings(Object.values(value))
    case 'headers':
      return (
        isRecord(value) &&
        Object.values(value).every(rule => isRecord(rule) && isStrings(Object.values(rule)))
      )
    default:
      return typeof value === kind && (choices === undefined || choices.includes(value as string))
  }
}
