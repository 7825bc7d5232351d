import { readFileSync } from 'node:fs'
import { cacheCommand } from './cache.js'
import { type Command, UsageError } from './command.js'
import { labCommand } from './lab.js'
import { probeCommand } from './probe.js'
import { serveCommand } from './serve.js'
import type { Terminal } from './terminal.js'

/** Every verb, in the order of the help. A new one is a file of its own and a line here. */
const COMMANDS: readonly Command[] = [probeCommand, labCommand, cacheCommand, serveCommand]

/** Exit statuses. */
const FAILED = 1
const USAGE = 2

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length))
  const verbs = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
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
    const command = COMMANDS.find(({ name }) => name === rest[0])
    terminal.write(command === undefined ? overview() : command.help)
    return 0
  }
  const command = COMMANDS.find(({ name }) => name === verb)
  if (command !== undefined) return runVerb(command, rest, terminal)
  if (verb !== undefined) terminal.note(`sluice: there is no verb '${verb}'\n\n`)
  terminal.note(overview())
  return USAGE
}
