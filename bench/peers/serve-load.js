/**
 * Starts one server on one core, loads it from another, and prints what came of it as a sample.
 *
 *   node bench/peers/serve-load.js '{"server": …, "parameters": …, "context": …, "seconds": …}'
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { root } from '#scripts/run.js'
import { cpuTimes, evict, httpLoad, readSlowly, wrk } from './serve-clients.js'

const WARM_UP_SECONDS = 2
/** With so many files it takes longer until what a request leads to has been compiled. */
const MANY_WARM_UP_SECONDS = 6
/**
 * A tail is that of a server that has been running: until then V8 compiles, on threads that take their share of the one core, also what
 * only a connection's beginning and end need. So there are many of those.
 */
const OPEN_WARM_UPS = 30
const OPEN_WARM_UP_SECONDS = 0.3
const OPEN_STEADY_SECONDS = 4
const START_MS = 10_000
const SERVER_CORE = '0'
const MIB = 2 ** 20

const { server, parameters, context, seconds } = JSON.parse(process.argv[2])
const { folder } = context
const { connections, file, cold, many, slow, counted, open, coded, client: by } = parameters
const port = await freePort()
const child = spawn('taskset', ['-c', SERVER_CORE, ...serverCommand()], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
try {
  await listening()
  process.stdout.write(`${JSON.stringify(await (slow ? sampleOfSlow() : sample()))}\n`)
} finally {
  child.kill('SIGKILL')
}

async function sample() {
  await warmUp()
  if (counted) child.stdin.write('begin\n')
  const before = cpuTimes(child.pid)
  const { operations, seconds: took, clientSeconds, p50, p99 } = await load(seconds)
  const after = cpuTimes(child.pid)
  const each = name => ((after[name] - before[name]) * 1e6) / operations
  const figures = { 'CPU µs a request': each('user') + each('system'), 'of it user': each('user') }
  if (open)
    Object.assign(figures, { 'requests a second asked for': context.rate, 'p50 µs': p50, 'p99 µs': p99 })
  // An open loop looks at the clock all the time.
  else figures['% of its core that the client took'] = (clientSeconds / took) * 100
  if (counted) figures['system calls a request'] = (await systemCalls()) / operations
  return { operations, seconds: took, figures }
}

async function warmUp() {
  if (cold) return warmUpCold()
  if (!open) return void (await load(many ? MANY_WARM_UP_SECONDS : WARM_UP_SECONDS))
  for (let time = 0; time < OPEN_WARM_UPS; time++) await load(OPEN_WARM_UP_SECONDS)
  await load(OPEN_STEADY_SECONDS)
}

async function warmUpCold() {
  const end = performance.now() + MANY_WARM_UP_SECONDS * 1000
  do {
    await evict(join(folder, 'many'))
    await load()
  } while (performance.now() < end)
  await evict(join(folder, 'many'))
}

async function sampleOfSlow() {
  const { bytes, seconds: took, resident } = await readSlowly(child.pid, port, `/${slow}`, connections)
  return { operations: bytes, seconds: took, figures: { 'resident MiB': resident / MIB } }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port: found } = probe.address()
  probe.close()
  await once(probe, 'close')
  return found
}

function serverCommand() {
  const served = [String(port), folder]
  const peer = name => join(root, 'bench/peers', name)
  switch (server) {
    case 'nginx':
      writeFileSync(join(folder, '../nginx.conf'), nginxConfig())
      return ['nginx', '-p', folder, '-c', join(folder, '../nginx.conf'), '-e', 'stderr']
    case 'Bun':
      return [context.bun, peer('serve/bun.js'), ...served]
    case 'sluice':
    case 'static-files':
      return [process.execPath, peer(`serve-${server}.js`), ...served]
    default:
      return [process.execPath, peer(`serve/${server}.js`), ...served]
  }
}

function nginxConfig() {
  return `daemon off; master_process off; worker_processes 1; pid ${join(folder, '../nginx.pid')};
events { worker_connections 4096; }
${cold ? 'thread_pool default threads=32;' : ''}
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 300;
  open_file_cache max=20000 inactive=60s; open_file_cache_valid 30s; ${cold ? 'aio threads;' : ''}
  ${coded ? 'gzip_static on;' : ''}
  server { listen 127.0.0.1:${port} backlog=4096; root ${folder}; }
}`
}

async function listening() {
  const end = performance.now() + START_MS
  while (performance.now() < end) {
    if (child.exitCode !== null) throw new Error(`${server} ended with ${child.exitCode}`)
    try {
      const response = await fetch(`http://127.0.0.1:${port}/${file}`, { method: 'HEAD' })
      if (response.status === 200) return
      throw new Error(`${server} answers ${response.status}`)
    } catch (error) {
      if (error.cause === undefined) throw error
      await wait(20)
    }
  }
  throw new Error(`${server} did not begin to listen`)
}

async function systemCalls() {
  child.stdin.write('end\n')
  const [line] = await once(child.stdout, 'data')
  const { systemCalls: calls } = JSON.parse(line)
  if (calls?.method !== 'tracepoint') throw new Error('system calls cannot be counted here')
  return calls.value
}

/** @param duration in seconds; none to ask for each file once */
function load(duration = 0) {
  const names = cold || many ? readdirSync(join(folder, 'many')).map(name => `/many/${name}`) : [`/${file}`]
  const { method = 'GET', condition } = parameters
  if (by === undefined) return wrk(`http://127.0.0.1:${port}/${file}`, connections, duration, condition)
  const paths = join(folder, '../paths')
  writeFileSync(paths, names.map(name => `${name}\n`).join(''))
  const rate = open ? context.rate : 0
  return httpLoad(context.httpLoad, [port, connections, cold ? 0 : duration, rate, method, paths], condition)
}
