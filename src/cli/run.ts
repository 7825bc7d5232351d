import { readFileSync } from 'node:fs'
import { type Command, UsageError } from './command.js'
import type { Terminal } from './terminal.js'

/**
 * Every verb, in the order of the help. A new one is a file of its own and a line here.
 *
 * Each is loaded when it is asked for: loading all takes longer than copying a thousand files.
 */
const VERBS: Readonly<Record<string, () => Promise<Command>>> = {
  probe: async () => (await import('./probe.js')).probeCommand,
  lab: async () => (await import('./lab.js')).labCommand,
  cp: async () => (await import('./cp.js')).cpCommand,
  cache: async () => (await import('./cache.js')).cacheCommand,
  serve: async () => (await import('./serve.js')).serveCommand,
}

/** Exit statuses. */
const FAILED = 1
const USAGE = 2

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

async function find(verb: string | undefined): Promise<Command | undefined> {
  return verb !== undefined && Object.hasOwn(VERBS, verb) ? VERBS[verb]() : undefined
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(VERBS).map(load => load()))
  const width = Math.max(...commands.map(({ name }) => name.length))
  const verbs = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'sluice VERB [OPTION]… [ARGUMENT]…',
    '',
    ...verbs,
    '',
    '  --help     show this help; after a verb, its own',
    '  --version  show the version',
    '',
  ].join('\n')
}

async function runVerb(command: Command, args: string[], terminal: Terminal): Promise<number> {
  try {
    return await command.run(args, terminal)
  } catch (error) {
    const { message } = error as Error
    terminal.note(`sluice ${command.name}: ${message}\n`)
    if (!(error instanceof UsageError)) return FAILED
    terminal.note(`"sluice ${command.name} --help" shows what it takes\n`)
    return USAGE
  }
}

/**
 * Runs the command line.
 *
 * @param args what stands behind `sluice`
 * @returns the exit status: 0, 1 where the work failed, 2 for arguments that cannot be
 */
export async function run(args: readonly string[], terminal: Terminal): Promise<number> {
  const [verb, ...rest] = args
  if (verb === '--version' || verb === '-v') {
    terminal.write(`${version()}\n`)
    return 0
  }
  if (verb === '--help' || verb === '-h' || verb === 'help') {
    const command = await find(rest[0])
    terminal.write(command === undefined ? await overview() : command.help)
    return 0
  }
  const command = await find(verb)
  if (command !== undefined) return runVerb(command, rest, terminal)
  if (verb !== undefined) terminal.note(`sluice: there is no verb '${verb}'\n\n`)
  terminal.note(await overview())
  return USAGE
}
