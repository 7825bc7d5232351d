import { readFile } from 'node:fs/promises'
import type { ServeOptions } from '../http/index.js'
import { UsageError } from './command.js'

/** What kind of value an option takes. */
type Kind = 'string' | 'number' | 'boolean' | 'strings' | 'headers'

/** Every option that a flag, the environment or the configuration file may give, by its name in `serve()`. */
const OPTIONS: Readonly<Record<string, Kind>> = {
  root: 'string',
  port: 'number',
  host: 'string',
  path: 'string',
  fd: 'number',
  reusePort: 'boolean',
  index: 'strings',
  listing: 'boolean',
  cleanUrls: 'boolean',
  fallback: 'string',
  notFound: 'string',
  symlinks: 'string',
  dotfiles: 'boolean',
  sidecars: 'boolean',
  cacheControl: 'string',
  immutable: 'strings',
  headers: 'headers',
  cors: 'string',
  cacheEntries: 'number',
  cacheMs: 'number',
  maxConnections: 'number',
  maxConnectionsPerAddress: 'number',
  maxBody: 'number',
  maxRequests: 'number',
  headTimeout: 'number',
  bodyTimeout: 'number',
  idleTimeout: 'number',
  minRate: 'number',
  accessLog: 'string',
  accessLogFormat: 'string',
}

const PREFIX = 'SLUICE_SERVE_'
/** The first descriptor that systemd passes. @see sd_listen_fds(3) */
const LISTEN_FDS_START = 3

const camel = (name: string) => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
const upper = (name: string) => PREFIX + name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()

const WANTED: Record<Kind, string> = {
  string: 'a string',
  number: 'a whole number',
  boolean: 'true or false',
  strings: 'an array of strings',
  headers: 'an object of objects of strings',
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fits(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case 'number':
      return Number.isInteger(value)
    case 'strings':
      return Array.isArray(value) && value.every(item => typeof item === 'string')
    case 'headers':
      return isRecord(value) && Object.values(value).every(isRecord)
    default:
      return typeof value === kind
  }
}

/** A value that came as text: a flag's or a variable's. */
function fromText(text: unknown, kind: Kind, name: string): unknown {
  if (typeof text !== 'string') return text
  if (kind === 'number') {
    if (!/^\d+$/.test(text)) throw new UsageError(`${name} is to be ${WANTED.number}, not '${text}'`)
    return Number(text)
  }
  if (kind === 'boolean') {
    if (text !== 'true' && text !== 'false')
      throw new UsageError(`${name} is to be ${WANTED.boolean}, not '${text}'`)
    return text === 'true'
  }
  return kind === 'strings' ? text.split(',') : text
}

function fromEnvironment(environment: NodeJS.ProcessEnv): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const [name, kind] of Object.entries(OPTIONS)) {
    const text = environment[upper(name)]
    if (text !== undefined && kind !== 'headers') found[name] = fromText(text, kind, upper(name))
  }
  return found
}

async function fromFile(file: string): Promise<Record<string, unknown>> {
  let config: unknown
  try {
    config = JSON.parse(await readFile(file, 'utf8'))
  } catch (cause) {
    throw new UsageError(`${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  if (!isRecord(config)) throw new UsageError(`${file} is to hold a JSON object`)
  for (const [name, value] of Object.entries(config)) {
    if (name === '$schema') continue
    const kind = OPTIONS[name]
    if (kind === undefined) throw new UsageError(`${file}: there is no option '${name}'`)
    if (!fits(value, kind)) throw new UsageError(`${file}: '${name}' is to be ${WANTED[kind]}`)
  }
  const { $schema: _, ...options } = config
  return options
}

/** @see sd_listen_fds(3) */
function inherited(environment: NodeJS.ProcessEnv): { fd?: number } {
  if (Number(environment.LISTEN_PID) !== process.pid || !(Number(environment.LISTEN_FDS) >= 1)) return {}
  return { fd: LISTEN_FDS_START }
}

/**
 * The options of `sluice serve`: from its flags, else the environment, else the configuration file.
 *
 * @param flags as parsed, by their names on the command line
 * @throws {@link UsageError} for a value of the wrong kind or an option that is not known
 */
export async function readServeConfig(
  flags: Readonly<Record<string, unknown>>,
  root: string | undefined,
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<ServeOptions> {
  const given: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(flags)) {
    const kind = OPTIONS[camel(name)]
    if (kind !== undefined && value !== undefined) given[camel(name)] = fromText(value, kind, `--${name}`)
  }
  const config = file === undefined ? {} : await fromFile(file)
  const options = {
    root: '.',
    host: '127.0.0.1',
    ...inherited(environment),
    ...config,
    ...fromEnvironment(environment),
    ...given,
  }
  return root === undefined ? options : { ...options, root }
}
