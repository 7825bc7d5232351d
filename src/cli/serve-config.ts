import { readFile } from 'node:fs/promises'
import type { ServeOptions, WorkerServeOptions } from '../http/index.js'
import { inheritedSockets } from '../net/index.js'
import { UsageError } from './command.js'
import { keyOffset, placeAt } from './json-place.js'
import { suggestion } from './near-miss.js'
import {
  fits,
  flagOf,
  isRecord,
  SERVE_OPTIONS,
  type ServeOption,
  variableOf,
  wanted,
} from './serve-options.js'
import { type Found, MergedOptions, type Source } from './serve-sources.js'

const NAMES: readonly string[] = Object.keys(SERVE_OPTIONS)
const GROUPS = new Set(NAMES.filter(name => name.includes('.')).map(name => name.slice(0, name.indexOf('.'))))
const PREFIX = 'SLUICE_SERVE_'

/** What `serve()` is given. */
export type ConfiguredOptions = ServeOptions | WorkerServeOptions

/** The options of `sluice serve`, and what each is called where it was given. */
export interface ServeConfig {
  options: ConfiguredOptions
  /** @param name of an option or of part of one: `headers.Date`; @param which of several */
  told: (name: string, which: string) => string
}

const optionOf = (name: string): ServeOption | undefined =>
  Object.hasOwn(SERVE_OPTIONS, name) ? SERVE_OPTIONS[name as keyof typeof SERVE_OPTIONS] : undefined

function refuse(where: string, option: ServeOption, value: unknown): UsageError {
  return new UsageError(`${where} is to be ${wanted(option)}, not ${JSON.stringify(value)}`)
}

/** A value that came as text: a flag's or a variable's. */
function fromText(text: unknown, option: ServeOption, where: string): unknown {
  const only = Array.isArray(text) && text.length === 1 ? text[0] : text
  const word = only === 'false' ? false : only
  if (option.also?.includes(word)) return word
  let value: unknown = text
  if (option.kind === 'pairs') value = pairsOf(typeof text === 'string' ? text.split(',') : [text].flat())
  else if (typeof text === 'string') {
    if (option.kind === 'integer' && /^\d+$/.test(text)) value = Number(text)
    else if (option.kind === 'boolean' && /^(?:true|false)$/.test(text)) value = text === 'true'
    else if (option.kind === 'strings') value = text.split(',')
  }
  if (!fits(value, option)) throw refuse(where, option, text)
  return value
}

/** `NAME=VALUE` of each as an object; undefined where one is none. */
function pairsOf(texts: readonly unknown[]): Record<string, string> | undefined {
  const pairs = texts.map(text => /^([^=]+)=(.+)$/s.exec(String(text)))
  if (pairs.includes(null)) return undefined
  return Object.fromEntries(pairs.map(pair => [pair?.[1], pair?.[2]]))
}

const spellFlag = (name: string, part = '') => `--${flagOf(name)}${part}`

function fromFlags(flags: Readonly<Record<string, unknown>>): Source {
  const found: Found = {}
  for (const name of NAMES) {
    const flag = flagOf(name)
    if (flags[flag] === undefined) continue
    found[name] = fromText(flags[flag], optionOf(name) as ServeOption, spellFlag(name))
  }
  return { found, spell: spellFlag }
}

function fromEnvironment(environment: NodeJS.ProcessEnv): Source {
  const found: Found = {}
  const byVariable = new Map(NAMES.map(name => [variableOf(name), name]))
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(PREFIX)) continue
    const name = byVariable.get(variable)
    if (name === undefined) {
      const near = suggestion(variable, byVariable.keys())
      throw new UsageError(`${variable} in the environment is no option.${near}`)
    }
    const option = optionOf(name) as ServeOption
    if (option.kind === 'headers') throw new UsageError(`${variable}: '${name}' can only stand in a file`)
    found[name] = fromText(text, option, variable)
  }
  return { found, spell: (name, part = '') => variableOf(name) + part }
}

/** Where in a text JSON.parse() stopped, as an editor counts. */
function failurePlace(text: string, message: string): string {
  const position = /at position (\d+)/.exec(message)?.[1]
  return placeAt(text, position === undefined ? text.length : Number(position))
}

async function parseFile(file: string): Promise<{ text: string; config: unknown }> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new UsageError(`${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  try {
    return { text, config: JSON.parse(text) }
  } catch (cause) {
    const { message } = cause as Error
    throw new UsageError(`${file}:${failurePlace(text, message)} is no JSON: ${message}`, { cause })
  }
}

/** @param where names the place of a key, for messages */
function collect(
  where: (name: string) => string,
  config: Record<string, unknown>,
  prefix: string,
  found: Found,
): void {
  for (const [key, value] of Object.entries(config)) {
    const name = prefix + key
    if (GROUPS.has(name)) {
      if (!isRecord(value))
        throw new UsageError(`${where(name)}: '${name}' is to be an object, not ${JSON.stringify(value)}`)
      collect(where, value, `${name}.`, found)
      continue
    }
    const option = optionOf(name)
    if (option === undefined) {
      const near = suggestion(name, [...NAMES, ...GROUPS])
      throw new UsageError(`${where(name)}: there is no option '${name}'.${near}`)
    }
    if (!fits(value, option)) throw refuse(`${where(name)}: '${name}'`, option, value)
    found[name] = value
  }
}

async function fromFile(file: string): Promise<Source> {
  const { text, config } = await parseFile(file)
  if (!isRecord(config)) throw new UsageError(`${file} is to hold a JSON object`)
  const { $schema: _, ...options } = config
  const found: Found = {}
  const where = (name: string) => {
    const offset = keyOffset(text, GROUPS.has(name.split('.')[0]) ? name.split('.') : [name])
    return offset < 0 ? file : `${file}:${placeAt(text, offset)}`
  }
  collect(where, options, '', found)
  return { found, spell: (name, part = '') => `'${name}${part}'`, place: name => `${where(name)}: ` }
}

/** `tls.cert` as `cert` of an object `tls`. */
function nested(found: Found): ConfiguredOptions {
  const options: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(found)) {
    const [group, part] = name.split('.')
    if (part === undefined) options[name] = value
    else options[group] = { ...(options[group] as object | undefined), [part]: value }
  }
  return options as unknown as ConfiguredOptions
}

/** A socket that systemd has passed: it is used in place of every address. */
function fromPassed(environment: NodeJS.ProcessEnv): Source {
  const [passed, ...others] = inheritedSockets(environment)
  if (others.length > 0)
    throw new UsageError(`${others.length + 1} sockets were passed (LISTEN_FDS), and one is served: pass one`)
  return { found: passed === undefined ? {} : { fd: passed.fd }, spell: () => 'LISTEN_FDS' }
}

/**
 * Reads the options of `sluice serve`: from its flags, else the environment, else the configuration file.
 *
 * @param flags as parsed, by their names on the command line
 * @throws {@link UsageError} for a value of the wrong kind, an option that is not known, and options that exclude or
 *   lack one another
 */
export async function readServeConfig(
  flags: Readonly<Record<string, unknown>>,
  root: string | undefined,
  file: string | undefined,
  environment: NodeJS.ProcessEnv,
): Promise<ServeConfig> {
  const given = fromFlags(flags)
  if (root !== undefined) Object.assign(given.found, { root })
  const merged = new MergedOptions([
    { found: { root: '.', host: '127.0.0.1' }, spell: spellFlag },
    ...(file === undefined ? [] : [await fromFile(file)]),
    fromEnvironment(environment),
    given,
    fromPassed(environment),
  ])
  return { options: nested(merged.found), told: (name, which) => merged.told(name, which) }
}
