/** The file server beside nginx and the servers that Node has, one core each for the server and its client. */

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '#scripts/run.js'
import { ensureModules } from '#scripts/setup.js'
import { compilePeer } from './harness/compile.js'

const PEERS = join(root, 'bench/peers/serve')
const BUN = join(PEERS, `node_modules/@oven/bun-linux-${arch() === 'arm64' ? 'aarch64' : 'x64'}/bin/bun`)
const SIZES = { '1k': 1024, '64k': 65536, '1m': 2 ** 20, '100m': 100 * 2 ** 20 }
/** Larger than what servers keep in memory of their own, so that it comes from the device. */
const COLD_BYTES = 32 * 1024
const COLD_FILES = 10_000
/** So old that no server takes the files for being written to; the date that a client asks with. */
const MODIFIED = new Date('2024-01-01T00:00:00Z')
const CONDITION = `If-Modified-Since: ${MODIFIED.toUTCString()}`
const PEAK_SECONDS = 2

const small = { file: '1k', connections: 64 }

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'static files over HTTP/1.1 with keep-alive, server and client on a core each',
  packages: ['nginx-light', 'wrk', 'gcc', 'libc6-dev', 'liburing-dev', 'util-linux'],
  setUp,
  beforeCase,
  tearDown: ({ base }) => rmSync(base, { recursive: true }),
  cases: [
    { name: '1 KiB, 64 connections', ...small },
    { name: '1 KiB, 512 connections', ...small, connections: 512 },
    { name: '64 KiB', file: '64k', connections: 64 },
    { name: '1 MiB', file: '1m', connections: 16 },
    { name: '100 MiB', file: '100m', connections: 4 },
    { name: '304', ...small, condition: CONDITION },
    // wrk waits for the body of a response to HEAD.
    { name: 'HEAD, http-load', ...small, method: 'HEAD', client: 'http-load' },
    { name: '1 KiB, 64 connections, http-load', ...small, client: 'http-load' },
    { name: '1 KiB, 512 connections, http-load', ...small, connections: 512, client: 'http-load' },
    { name: '64 KiB, http-load', file: '64k', connections: 64, client: 'http-load' },
    { name: '304, http-load', ...small, condition: CONDITION, client: 'http-load' },
    {
      name: '1 KiB with a .gz sidecar, Accept-Encoding, http-load',
      ...small,
      file: '1k.txt',
      coded: true,
      condition: 'Accept-Encoding: gzip, deflate, br',
      client: 'http-load',
    },
    { name: "open loop at half of nginx's peak", ...small, client: 'http-load', open: true },
    {
      name: '10,000 files, not in the page cache',
      connections: 64,
      file: '1k',
      client: 'http-load',
      cold: true,
    },
    { name: '10,000 files', connections: 64, file: '1k', client: 'http-load', many: true },
    { name: '1,000 slow readers of 1 GiB', connections: 1000, file: '1k', slow: '1g' },
    { name: 'system calls', ...small, counted: true },
  ],
  contestants: {
    sluice: server('sluice'),
    nginx: server('nginx', except('counted')),
    sirv: server('sirv', only('wrk', '1k', '1m')),
    '@fastify/static': server('fastify', only('wrk', '1k')),
    'Bun.serve': server('Bun', only('any', '1k')),
    staticFiles: server('static-files', only('wrk', '1m')),
  },
  bars: [
    { of: 'sluice', to: 'nginx', where: named(/^1 KiB|^304|^HEAD/), bar: 1.2, aim: 1.5 },
    { of: 'sluice', to: 'nginx', where: named(/^64 KiB/), bar: 1.1, aim: 1.4 },
    { of: 'sluice', to: 'nginx', where: named(/^1 MiB/), bar: 1, aim: 1.3 },
    { of: 'sluice', to: 'nginx', where: named(/^100 MiB/), bar: 1, aim: 1.2 },
    { of: 'sluice', to: 'nginx', where: named(/not in the page cache/), bar: 1, aim: 1.5 },
    { of: 'sluice', to: 'sirv', where: named(/^1 KiB, 64/), bar: 8, aim: 12 },
    { of: 'sluice', to: '@fastify/static', where: named(/^1 KiB, 64/), bar: 8, aim: 12 },
    { of: 'sluice', to: 'Bun.serve', where: named(/^1 KiB, 64/), bar: 1, aim: 1.3 },
    { of: 'sluice', to: 'nginx', figure: 'p99 µs', where: named(/^open loop/), most: 1.1 },
    { of: 'staticFiles', to: 'sirv', figure: 'CPU µs a request', where: named(/^1 MiB/), most: 0.5 },
    { of: 'sluice', figure: 'resident MiB', where: named(/slow readers/), most: 150 },
    { of: 'sluice', figure: 'system calls a request', where: named(/^system calls/), most: 0.5 },
  ],
}

function named(pattern) {
  return ({ name }) => pattern.test(name)
}

/** A contestant of so many files, in the plain cases of a client. */
function only(client, ...files) {
  const particular = ['method', 'condition', 'open', 'cold', 'many', 'slow', 'counted']
  return parameters => {
    const plain = particular.every(name => parameters[name] === undefined) && parameters.connections <= 64
    const meant = client === 'any' || client === (parameters.client ?? 'wrk')
    return plain && meant && files.includes(parameters.file) ? undefined : 'not of this case'
  }
}

function except(parameter) {
  return parameters => (parameters[parameter] === undefined ? undefined : 'not of this case')
}

function command(name, parameters, context, seconds) {
  const peer = join(root, 'bench/peers/serve-load.js')
  return [process.execPath, peer, JSON.stringify({ server: name, parameters, context, seconds })]
}

function server(name, skip = () => undefined) {
  return {
    command: (parameters, context, seconds) => command(name, parameters, context, seconds),
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
  // Servers look at the sizes of a coding, not at what is in it.
  for (const name of ['1k.txt', '1k.txt.gz']) {
    writeFileSync(join(folder, name), randomBytes(SIZES['1k']))
    utimesSync(join(folder, name), MODIFIED, MODIFIED)
  }
  return { base, folder, bun: BUN, httpLoad: await compilePeer('http-load', ['-luring']) }
}

function beforeCase(parameters, context) {
  const { folder } = context
  if (parameters.cold || parameters.many) makeMany(join(folder, 'many'))
  if (parameters.slow) {
    const path = join(folder, parameters.slow)
    writeFileSync(path, '')
    truncateSync(path, 2 ** 30)
    utimesSync(path, MODIFIED, MODIFIED)
  }
  if (parameters.open) {
    const [program, ...args] = command('nginx', { ...parameters, open: undefined }, context, PEAK_SECONDS)
    const { operations, seconds } = JSON.parse(execFileSync(program, args, { encoding: 'utf8' }))
    context.rate = Math.round(operations / seconds / 2)
  }
}

/** Once, and for the cases that need them alone. */
function makeMany(folder) {
  if (existsSync(folder)) return
  mkdirSync(folder)
  for (let file = 0; file < COLD_FILES; file++) {
    const path = join(folder, String(file))
    writeFileSync(path, randomBytes(COLD_BYTES))
    utimesSync(path, MODIFIED, MODIFIED)
  }
  execFileSync('sync', ['-f', folder])
}
