/** The file server beside nginx and the servers that Node has, one core each for the server and its client. */

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '#scripts/run.js'
import { ensureModules } from '#scripts/setup.js'
import { compilePeer } from './harness/compile.js'

const PEERS = join(root, 'bench/peers/serve')
const BUN = join(PEERS, `node_modules/@oven/bun-linux-${arch() === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`)
const SIZES = { '1k': 1024, '64k': 65536, '1m': 2 ** 20, '100m': 100 * 2 ** 20 }
/** So old that no server takes the files for being written to; the date that a client asks with. */
const MODIFIED = new Date('2024-01-01T00:00:00Z')

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'static files over HTTP/1.1 with keep-alive, server and client on a core each',
  packages: ['nginx-light', 'wrk', 'gcc', 'libc6-dev', 'util-linux'],
  setUp,
  tearDown: ({ base }) => rmSync(base, { recursive: true }),
  cases: [
    { name: '1 KiB, 64 connections', file: '1k', connections: 64 },
    { name: '1 KiB, 512 connections', file: '1k', connections: 512 },
    { name: '64 KiB', file: '64k', connections: 64 },
    { name: '1 MiB', file: '1m', connections: 16 },
    { name: '100 MiB', file: '100m', connections: 4 },
    { name: '304', file: '1k', connections: 64, headers: { 'If-Modified-Since': MODIFIED.toUTCString() } },
    { name: 'HEAD', file: '1k', connections: 64, method: 'HEAD' },
    { name: 'open loop, 8,000 requests a second', file: '1k', connections: 64, rate: 8000 },
    { name: 'system calls', file: '1k', connections: 64, counted: true },
  ],
  contestants: {
    sluice: server('sluice'),
    nginx: server('nginx', except('counted')),
    sirv: server('sirv', only('1k', '1m')),
    '@fastify/static': server('fastify', only('1k')),
    'Bun.serve': server('Bun', only('1k')),
    staticFiles: server('static-files', only('1m')),
  },
  bars: [
    { of: 'sluice', to: 'nginx', where: named(/^1 KiB|^304|^HEAD/), bar: 1.2, aim: 1.5 },
    { of: 'sluice', to: 'nginx', where: named(/^64 KiB/), bar: 1.1, aim: 1.4 },
    { of: 'sluice', to: 'nginx', where: named(/^1 MiB/), bar: 1, aim: 1.3 },
    { of: 'sluice', to: 'nginx', where: named(/^100 MiB/), bar: 1, aim: 1.2 },
    { of: 'sluice', to: 'sirv', where: named(/^1 KiB, 64/), bar: 8, aim: 12 },
    { of: 'sluice', to: '@fastify/static', where: named(/^1 KiB, 64/), bar: 8, aim: 12 },
    { of: 'sluice', to: 'Bun.serve', where: named(/^1 KiB, 64/), bar: 1, aim: 1.3 },
    { of: 'staticFiles', to: 'sirv', figure: 'CPU µs a request', where: named(/^1 MiB/), most: 0.5 },
    { of: 'sluice', figure: 'system calls a request', where: named(/^system calls/), most: 0.5 },
  ],
}

function named(pattern) {
  return ({ name }) => pattern.test(name)
}

/** A contestant of so many files, in the plain cases. */
function only(...files) {
  return ({ file, method, rate, headers, counted, connections }) => {
    const plain = method === undefined && rate === undefined && headers === undefined && counted === undefined
    return plain && connections <= 64 && files.includes(file) ? undefined : 'not of this case'
  }
}

function except(parameter) {
  return parameters => (parameters[parameter] === undefined ? undefined : 'not of this case')
}

function server(name, skip = () => undefined) {
  return {
    command: (parameters, context, seconds) => [
      process.execPath,
      join(root, 'bench/peers/serve-load.js'),
      JSON.stringify({ server: name, parameters, context, seconds }),
    ],
    read: output => JSON.parse(output.trim().split('\n').at(-1)),
    skip: parameters =>
      name === 'Bun' && !existsSync(BUN) ? 'Bun is not for this machine' : skip(parameters),
  }
}

async function setUp() {
  await ensureModules(PEERS)
  const base = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const folder = join(base, 'root')
  mkdirSync(folder)
  for (const [name, size] of Object.entries(SIZES)) {
    const path = join(folder, name)
    writeFileSync(path, randomBytes(Math.min(size, 2 ** 20)))
    for (let made = statSync(path).size; made < size; made += 2 ** 20) {
      writeFileSync(path, randomBytes(2 ** 20), { flag: 'a' })
    }
    utimesSync(path, MODIFIED, MODIFIED)
  }
  return { base, folder, bun: BUN, httpLoad: await compilePeer('http-load', []) }
}
