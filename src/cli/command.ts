import { parseArgs } from 'node:util'
import { nearest } from './near-miss.js'
import type { Terminal } from './terminal.js'

/** An option of a verb. */
export interface CommandOption {
  type: 'string' | 'boolean'
  short?: string
  /** Another letter for the same; of a boolean only. */
  alias?: string
  multiple?: boolean
  /** Of a string: `--no-` stands for `false`. */
  negatable?: boolean
  /** Of a string: the only words that may stand behind it; it is `true` without one. */
  words?: readonly string[]
  /** What a string stands for in the help: `FILE`. */
  argument?: string
  /** One line for the help. */
  description: string
}

type Options = Record<string, CommandOption>

/** What the arguments of a verb were, by its options' types. */
export type Arguments<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true; args: string[] }>
>

/** How a verb is described. */
export interface CommandDefinition<O extends Options> {
  name: string
  /** One line for the list of verbs. */
  summary: string
  /** What it takes beside options, for the help: `[PATH]`. Empty for nothing. */
  operands: string
  /** How many operands it takes at least and at most; none by default. */
  count?: readonly [least: number, most: number]
  options: O
  /** More for its help, below the options. */
  details?: string
  /**
   * Does it.
   *
   * @returns the exit status if it is not 0
   * @throws {@link UsageError} for arguments that cannot be; anything else for work that failed
   */
  run(input: Arguments<O>, terminal: Terminal): Promise<number | undefined> | number | undefined
}

/** A verb of the command line. */
export interface Command {
  readonly name: string
  readonly summary: string
  /** Its help. */
  readonly help: string
  /** Parses the arguments behind the verb and does it. @returns the exit status: 0, or 1 for work that failed */
  run(args: string[], terminal: Terminal): Promise<number>
}

/** Arguments that cannot be: exit status 2. */
export class UsageError extends Error {
  /** @param message a sentence without the verb */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'UsageError'
  }
}

const FLAG_COLUMNS = 26
const HELP_OPTION = { type: 'boolean', short: 'h', description: 'show this help' } as const

function argumentOf({ type, argument = 'VALUE', words }: CommandOption): string {
  if (type === 'boolean') return ''
  return words === undefined ? ` ${argument}` : ` [${words.join('|')}]`
}

function optionLine([name, option]: [string, CommandOption]): string {
  const letters = [option.short, option.alias].filter(letter => letter !== undefined)
  const short = letters.length === 0 ? '    ' : letters.map(letter => `-${letter}, `).join('')
  const flag = `${short}--${name}${argumentOf(option)}`
  // One that is too long has its description on a line of its own, so that all stand below one another.
  if (flag.length > FLAG_COLUMNS) return `  ${flag}\n${' '.repeat(FLAG_COLUMNS + 3)}${option.description}`
  return `  ${flag.padEnd(FLAG_COLUMNS)} ${option.description}`
}

function helpOf<O extends Options>({
  name,
  summary,
  operands,
  options,
  details,
}: CommandDefinition<O>): string {
  const usage = ['sluice', name, '[OPTION]…', operands].filter(part => part !== '').join(' ')
  const lines = Object.entries({ ...options, help: HELP_OPTION }).map(optionLine)
  const more = details === undefined ? [] : ['', details.trim()]
  return [usage, '', summary, '', ...lines, ...more, ''].join('\n')
}

/** Of options with a second letter, a hidden one each for that letter, by its name. */
function aliasesOf(options: Options): [name: string, hidden: string, letter: string][] {
  return Object.entries(options).flatMap(([name, { alias }]) =>
    alias === undefined ? [] : [[name, `${name} -${alias}`, alias]],
  )
}

/** Gives a string that can stand without a value the one that Node demands of it: `--etag` is `--etag=true`. */
function withValues(args: readonly string[], options: Options): string[] {
  const given: string[] = []
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] as string
    if (argument === '--') return [...given, ...args.slice(at)]
    const [, no, name = ''] = /^--(no-)?(.+)$/.exec(argument) ?? []
    const { negatable, words } = (Object.hasOwn(options, name) ? options[name] : undefined) ?? {}
    const next = args[at + 1] ?? ''
    if (no !== undefined) given.push(negatable ? `--${name}=false` : argument)
    else if (words === undefined) given.push(argument)
    else if (words.includes(next)) given.push(`--${name}=${args[++at]}`)
    else given.push(`--${name}=true`)
  }
  return given
}

function parse<O extends Options>(args: string[], options: O): Arguments<O> {
  const aliases = aliasesOf(options)
  const hidden = aliases.map(([, name, short]) => [name, { type: 'boolean', short }] as const)
  const all: O = { ...options, ...Object.fromEntries(hidden) }
  // Node would take --no-clobber for the opposite of --clobber, whatever there is.
  const allowNegative = !Object.keys(options).some(name => name.startsWith('no-'))
  try {
    const input = parseArgs({
      args: withValues(args, options),
      options: all,
      allowPositionals: true,
      allowNegative,
    })
    const values = input.values as Record<string, unknown>
    for (const [name, other] of aliases) if (values[other] !== undefined) values[name] ??= values[other]
    return input
  } catch (cause) {
    // Node's explain themselves: "Unknown option '--x'. …"
    const message = (cause as Error).message.split('. ')[0] ?? ''
    const unknown = /^Unknown option '--(?:no-)?(.*)'/.exec(message)?.[1]
    const near = unknown === undefined ? '' : nearest(unknown, Object.keys(options))
    throw new UsageError(near ? `${message}. Did you mean '--${near}'?` : message, { cause })
  }
}

/** Makes a verb of its description; `--help` comes by itself. */
export function defineCommand<const O extends Options>(definition: CommandDefinition<O>): Command {
  const help = helpOf(definition)
  const options = { ...definition.options, help: HELP_OPTION }
  const [least, most] = definition.count ?? [0, 0]
  return {
    name: definition.name,
    summary: definition.summary,
    help,
    async run(args, terminal) {
      const input = parse(args, options)
      if ((input.values as { help?: boolean }).help) {
        terminal.write(help)
        return 0
      }
      const { length } = input.positionals
      if (length < least) throw new UsageError(`${definition.operands} is missing`)
      if (length > most) throw new UsageError(`Unexpected argument '${input.positionals[most]}'`)
      return (await definition.run(input as unknown as Arguments<O>, terminal)) ?? 0
    },
  }
}
