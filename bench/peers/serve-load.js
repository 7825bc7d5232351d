/**
 * Starts one server on one core, loads it from another, and prints what came of it as a sample.
 *
 *   node bench/peers/serve-load.js '{"server": …, "parameters": …, "context": …, "seconds": …}'
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { root } from '#scripts/run.js'

const WARM_UP_SECONDS = 2
const START_MS = 10_000
const TICKS_PER_SECOND = 100
const SERVER_CORE = '0'
const CLIENT_CORE = String(Math.min(1, availableParallelism() - 1))

const { server, parameters, context, seconds } = JSON.parse(process.argv[2])
const { folder, httpLoad } = context
const port = await freePort()
const child = spawn('taskset', ['-c', SERVER_CORE, ...serverCommand()], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
try {
  await listening()
  await load(WARM_UP_SECONDS)
  if (parameters.counted) child.stdin.write('begin\n')
  const before = cpuSeconds()
  const { operations, seconds: took, ...times } = await load(seconds)
  const figures = { 'CPU µs a request': ((cpuSeconds() - before) * 1e6) / operations, ...times }
  if (parameters.counted) figures['system calls a request'] = (await systemCalls()) / operations
  process.stdout.write(`${JSON.stringify({ operations, seconds: took, figures })}\n`)
} finally {
  child.kill('SIGKILL')
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
${parameters.cold ? 'thread_pool default threads=32;' : ''}
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 300;
  ${parameters.cold ? 'aio threads;' : 'open_file_cache max=10000 inactive=60s; open_file_cache_valid 30s;'}
  server { listen 127.0.0.1:${port} backlog=4096; root ${folder}; }
}`
}

async function listening() {
  const end = performance.now() + START_MS
  while (performance.now() < end) {
    if (child.exitCode !== null) throw new Error(`${server} ended with ${child.exitCode}`)
    try {
      const response = await fetch(`http://127.0.0.1:${port}/${parameters.file}`, { method: 'HEAD' })
      if (response.status === 200) return
      throw new Error(`${server} answers ${response.status}`)
    } catch (error) {
      if (error.cause === undefined) throw error
      await wait(20)
    }
  }
  throw new Error(`${server} did not begin to listen`)
}

/** CPU time of the server, in seconds. @see proc_pid_stat(5) */
function cpuSeconds() {
  const text = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

async function systemCalls() {
  child.stdin.write('end\n')
  const [line] = await once(child.stdout, 'data')
  const { systemCalls: counted } = JSON.parse(line)
  if (counted?.method !== 'tracepoint') throw new Error('system calls cannot be counted here')
  return counted.value
}

function load(duration) {
  const { method = 'GET', rate = 0, cold = false } = parameters
  return method === 'HEAD' || rate > 0 || cold ? loadByOwn(duration, method, rate) : loadByWrk(duration)
}

async function loadByOwn(duration, method, rate) {
  const { connections, cold, file } = parameters
  const paths = join(folder, '../paths')
  const names = cold ? readdirSync(join(folder, 'many')).map(name => `/many/${name}`) : [`/${file}`]
  writeFileSync(paths, names.map(name => `${name}\n`).join(''))
  const args = [String(port), String(connections), String(duration), String(rate), method, paths]
  return JSON.parse(await client(httpLoad, args))
}

async function loadByWrk(duration) {
  const { connections, file, headers = {} } = parameters
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  // wrk takes whole seconds alone.
  const whole = `${Math.max(1, Math.round(duration))}s`
  const args = ['-t1', `-c${connections}`, `-d${whole}`, '--latency', ...fields]
  const output = await client('wrk', [...args, `http://127.0.0.1:${port}/${file}`])
  const errors = /Socket errors.*|Non-2xx.*/.exec(output)
  if (errors !== null) throw new Error(errors[0])
  const [, operations, took, unit] = /(\d+) requests in ([\d.]+)(m?s)/.exec(output)
  return { operations: Number(operations), seconds: unit === 's' ? Number(took) : took / 1000 }
}

async function client(program, args) {
  const running = spawn('taskset', ['-c', CLIENT_CORE, program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  running.stdout.setEncoding('utf8').on('data', text => {
    output += text
  })
  const [code] = await once(running, 'close')
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${output}`)
  return output
}
