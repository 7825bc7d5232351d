import { isIPv6 } from 'node:net'
import { type ServeOptions, serve } from '../http/index.js'
import { defineCommand } from './command.js'
import { formatBytes, formatCount } from './layout.js'
import { readServeConfig } from './serve-config.js'
import type { Terminal } from './terminal.js'

/** `sluice serve [DIR]`: a static file server. */
export const serveCommand = defineCommand({
  name: 'serve',
  summary: 'serve a folder over HTTP/1.1',
  operands: '[DIR]',
  count: [0, 1],
  options: {
    port: {
      type: 'string',
      short: 'p',
      argument: 'N',
      description: 'port; 8080 by default, 0 for one that is free',
    },
    host: { type: 'string', argument: 'ADDRESS', description: 'address to listen on; 127.0.0.1 by default' },
    path: { type: 'string', argument: 'SOCKET', description: 'listen on a Unix socket instead' },
    listing: { type: 'boolean', description: 'list folders that have no index' },
    'clean-urls': { type: 'boolean', description: 'serve about.html for /about' },
    fallback: {
      type: 'string',
      argument: 'FILE',
      description: 'served for what is not there, to clients that take HTML',
    },
    'not-found': { type: 'string', argument: 'FILE', description: 'served with 404 for what is not there' },
    symlinks: { type: 'string', argument: 'POLICY', description: 'beneath (default), deny or follow' },
    dotfiles: { type: 'boolean', description: 'serve names that begin with a dot' },
    cors: { type: 'string', argument: 'ORIGIN', description: 'Access-Control-Allow-Origin: * or one origin' },
    'cache-control': { type: 'string', argument: 'VALUE', description: 'Cache-Control of files' },
    immutable: {
      type: 'string',
      multiple: true,
      argument: 'GLOB',
      description: 'files whose names hold a hash; repeatable',
    },
    'access-log': { type: 'string', argument: 'FILE', description: 'note every request' },
    'access-log-format': {
      type: 'string',
      argument: 'NAME',
      description: 'combined (default), common or json',
    },
    config: {
      type: 'string',
      short: 'c',
      argument: 'FILE',
      description: 'read options from a JSON file; flags win over it',
    },
    json: { type: 'boolean', description: 'print the address and the closing statistics as JSON' },
  },
  details: `Environment: SLUICE_SERVE_PORT, SLUICE_SERVE_HOST, … stand for the flags of those names, and give way to them.
A socket that systemd passes (LISTEN_FDS) is used in place of an address. SIGTERM and SIGINT end it once the
responses under way are finished; a second one ends it at once. docs/guide/serve.md has the rest.`,
  async run({ values, positionals }, terminal) {
    const { json = false, config, ...flags } = values
    const options = await readServeConfig(flags, positionals[0], config, process.env)
    const server = await serve(options)
    announce(server.address(), options, json, terminal)
    await untilSignalled(
      () => server.close(),
      () => process.exit(1),
    )
    await server.close()
    const { requests, bytes } = server.stats
    if (json) terminal.write(`${JSON.stringify({ requests, bytes })}\n`)
    else terminal.note(`${formatCount(requests)} requests, ${formatBytes(bytes)}\n`)
    return 0
  },
})

function announce(address: unknown, options: ServeOptions, json: boolean, terminal: Terminal): void {
  if (json) {
    terminal.write(`${JSON.stringify({ root: options.root, ...(address as object) })}\n`)
    return
  }
  terminal.note(`${options.root} is served at ${terminal.paint('bold', url(address))}\n`)
}

function url(address: unknown): string {
  const where = address as { address?: string; port?: number; path?: string }
  if (where.address === undefined) return `unix:${where.path}`
  const any = where.address === '::' || where.address === '0.0.0.0'
  const host = any ? 'localhost' : isIPv6(where.address) ? `[${where.address}]` : where.address
  return `http://${host}:${where.port}/`
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
