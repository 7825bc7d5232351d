import { isIPv6 } from 'node:net'
import { resolve as resolvePath } from 'node:path'
import { type FileServer, type ServeOptions, type ServerGroup, serve } from '../http/index.js'
import { type CommandOption, defineCommand, UsageError } from './command.js'
import { formatBytes, formatCount } from './layout.js'
import { optionFault } from './option-fault.js'
import { readServeConfig, type ServeConfig } from './serve-config.js'
import { flagOf, SERVE_OPTIONS } from './serve-options.js'
import { serveSchema } from './serve-schema.js'
import { isOnTerminal, type Terminal } from './terminal.js'

/** A flag for every option that one line of text can hold. */
const FLAGS: Record<string, CommandOption> = {}
for (const [name, { kind, argument, short, also, description }] of Object.entries(SERVE_OPTIONS)) {
  if (kind === 'headers') continue
  const words = kind === 'boolean' ? also?.filter(word => word !== false) : undefined
  FLAGS[flagOf(name)] = {
    type: kind === 'boolean' && words === undefined ? 'boolean' : 'string',
    description,
    ...(kind === 'strings' || kind === 'pairs' ? { multiple: true } : {}),
    ...(words === undefined ? {} : { words }),
    ...(words !== undefined || also?.includes(false) ? { negatable: true } : {}),
    ...(argument === undefined ? {} : { argument }),
    ...(short === undefined ? {} : { short }),
  }
}

/** `sluice serve [DIR]`: a static file server. */
export const serveCommand = defineCommand({
  name: 'serve',
  summary: 'serve a folder over HTTP',
  operands: '[DIR]',
  count: [0, 1],
  options: {
    ...FLAGS,
    config: {
      type: 'string',
      short: 'c',
      argument: 'FILE',
      description: 'read options from a JSON file; flags win over it',
    },
    'print-schema': { type: 'boolean', description: 'print the JSON schema of that file' },
    json: { type: 'boolean', description: 'print the address and the closing statistics as JSON' },
  },
  details: `A switch is turned off by --no-: --no-sidecars. Environment: SLUICE_SERVE_PORT, SLUICE_SERVE_HOST, … stand for the flags
of those names, and give way to them. SIGHUP opens the folder and the access log anew and reads the certificate again.
A socket that systemd passes (LISTEN_FDS) is used in place of an address. SIGTERM and SIGINT end it once the
responses under way are finished; a second one ends it at once. docs/guide/serve.md has the rest.`,
  async run({ values, positionals }, terminal) {
    const { json = false, config, 'print-schema': printSchema, ...flags } = values
    if (printSchema) {
      terminal.write(`${JSON.stringify(serveSchema(), null, 2)}\n`)
      return 0
    }
    const given = await readServeConfig(flags, positionals[0], config, process.env)
    const { options } = given
    const server = await start(given)
    // Without certificate and log SIGHUP ends the command on a terminal, as any other.
    const isService = options.tls !== undefined || options.accessLog !== undefined
    const onTerminal = isOnTerminal()
    if (isService || !onTerminal) onHangup(server, terminal, onTerminal)
    const ended = untilSignalled(
      () => finish(server, terminal),
      () => process.exit(1),
    )
    // Whoever reads it may send a signal at once.
    announce(server.address(), options, json, terminal)
    await ended
    await server.close()
    const { requests, bytes } = server.stats
    if (json) terminal.write(`${JSON.stringify({ requests, bytes })}\n`)
    else terminal.note(`${counted(requests, 'request')}, ${formatBytes(bytes)}\n`)
    return 0
  },
})

/** How often somebody who watches is told what the end waits for, in milliseconds. */
const PROGRESS_MS = 1000

const counted = (count: number, what: string) => `${formatCount(count)} ${what}${count === 1 ? '' : 's'}`

/** @throws {@link UsageError} by its name and place for an option that only the server can see is none */
async function start({ options, told }: ServeConfig): Promise<FileServer | ServerGroup> {
  try {
    return await ('workers' in options ? serve(options) : serve(options))
  } catch (error) {
    const fault = optionFault(error as Error)
    if (fault === undefined) throw error
    throw new UsageError(`${told(fault.name, fault.which)} ${fault.what}`, { cause: error })
  }
}

/** Ends a server, and says meanwhile what it waits for. */
async function finish(server: FileServer | ServerGroup, terminal: Terminal): Promise<void> {
  const say = () => {
    const left = counted(server.connections, 'connection')
    terminal.note(`${left} to be finished; a second signal ends the server at once\n`)
  }
  const timer = terminal.isTerminal ? setInterval(say, PROGRESS_MS) : undefined
  try {
    await server.close()
  } finally {
    clearInterval(timer)
  }
}

/** @param onTerminal whether the command was started on a terminal, with which it ends */
function onHangup(server: FileServer | ServerGroup, terminal: Terminal, onTerminal: boolean): void {
  process.on('SIGHUP', async () => {
    if (onTerminal && !isOnTerminal()) {
      // There is nobody to be told anything.
      await server.close().catch(() => {})
      // By the signal: at an exit Node sets the terminal back, and its older releases abort where that is gone.
      process.removeAllListeners('SIGHUP')
      process.kill(process.pid, 'SIGHUP')
      return
    }
    try {
      await server.reload()
      terminal.note('folder, certificate and log are opened anew\n')
    } catch (error) {
      terminal.note(`${(error as Error).message}; what was there before stays\n`)
    }
  })
}

function announce(address: unknown, options: ServeOptions, json: boolean, terminal: Terminal): void {
  if (json) {
    terminal.write(`${JSON.stringify({ root: options.root, ...(address as object) })}\n`)
    return
  }
  terminal.note(
    `${resolvePath(options.root)} is served at ${terminal.paint('bold', url(address, options.tls === undefined ? 'http' : 'https'))}\n`,
  )
}

function url(address: unknown, scheme: string): string {
  const where = address as { address?: string; port?: number; path?: string }
  if (where.address === undefined) return `unix:${where.path}`
  const any = where.address === '::' || where.address === '0.0.0.0'
  const host = any ? 'localhost' : isIPv6(where.address) ? `[${where.address}]` : where.address
  return `${scheme}://${host}:${where.port}/`
}

/** @param first what a signal begins; @param second what one does that comes before that has ended */
function untilSignalled(first: () => Promise<unknown>, second: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let signalled = false
    const onSignal = () => {
      if (signalled) {
        second()
        return
      }
      signalled = true
      first().then(() => resolve(), reject)
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
  })
}
