/**
 * Starts one program that sends bytes on one core, takes them on another, and prints what came of it as a sample: GiB.
 *
 *   node bench/peers/bytes-peer.js '{"sender": …, "parameters": …, "context": …, "seconds": …}'
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { root } from '#scripts/run.js'

const WARM_UP_SECONDS = 0.5
const LEAST_SECONDS = 1
const START_MS = 10_000
const SENDER_CORE = '0'
const OTHER_CORE = String(Math.min(1, availableParallelism() - 1))
const GIB = 2 ** 30

const { sender, parameters, context, seconds } = JSON.parse(process.argv[2])
const { base, file, discard, spew } = context
const children = []

try {
  const port = await start()
  await take(port, WARM_UP_SECONDS)
  const before = cpuSeconds()
  const { bytes, seconds: took } = await take(port, Math.max(seconds, LEAST_SECONDS))
  const operations = bytes / GIB
  const figures = { 'CPU s a GiB': (cpuSeconds() - before) / operations }
  process.stdout.write(`${JSON.stringify({ operations, seconds: took, figures })}\n`)
} finally {
  for (const child of children) child.kill('SIGKILL')
}
process.exit()

/** Starts what is measured, and whatever it gets its bytes from. @returns its port */
async function start() {
  const peer = name => join(root, 'bench/peers', name)
  const node = process.execPath
  switch (sender) {
    case 'sluice':
      return started([node, peer('bytes-file.js'), file])
    case 'sluice, paced':
      return started([node, peer('bytes-file.js'), file, systemCongestion()])
    case 'sendFile':
    case 'pipe':
      return started([node, peer('bytes-http.js'), file, sender])
    case 'nginx':
      return configured('nginx', nginxConfig, path => ['nginx', '-p', base, '-c', path, '-e', 'stderr'])
    case 'relay':
      return started([node, peer('bytes-relay.js'), String(await source())])
    case 'relay, paced':
      return started([node, peer('bytes-relay.js'), String(await source()), systemCongestion()])
    case 'haproxy': {
      const from = await source()
      return configured(
        'haproxy',
        to => haproxyConfig(from, to),
        path => ['haproxy', '-db', '-f', path],
      )
    }
    default:
      throw new Error(`there is no ${sender}`)
  }
}

/** What every socket begins with, and other programs leave as it is. */
function systemCongestion() {
  return readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'latin1').trim()
}

function source() {
  return started([spew, String(parameters.bytes)], OTHER_CORE)
}

/** Starts a program that prints its port; what is to be measured is started last. */
async function started(command, core = SENDER_CORE) {
  const child = run(command, core)
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  if (value === undefined) throw new Error(`${command[0]} did not begin`)
  return Number(value)
}

/** Starts a program that is told its port. */
async function configured(name, text, command) {
  const port = await freePort()
  const path = join(base, `${name}.conf`)
  writeFileSync(path, text(port))
  const child = run(command(path), SENDER_CORE)
  const end = performance.now() + START_MS
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > end) throw new Error(`${name} did not begin to listen`)
    await wait(20)
  }
  return port
}

function run(command, core) {
  const child = spawn('taskset', ['-c', core, ...command], { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  return child
}

function nginxConfig(port) {
  return `daemon off; master_process off; worker_processes 1; pid ${join(base, 'nginx.pid')};
events { worker_connections 64; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 300;
  open_file_cache max=10 inactive=60s; open_file_cache_valid 30s;
  server { listen 127.0.0.1:${port}; root ${base}; }
}
`
}

function haproxyConfig(from, to) {
  return `global
  nbthread 1
  maxconn 64
  tune.pipesize 1048576
defaults
  mode tcp
  option splice-response
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen relay
  bind 127.0.0.1:${to}
  server source 127.0.0.1:${from}
`
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

async function accepts(port) {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function take(port, duration) {
  const args = ['-c', OTHER_CORE, discard, String(port), String(duration), '/file']
  const running = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  running.stdout.setEncoding('utf8').on('data', text => {
    output += text
  })
  const [code] = await once(running, 'close')
  if (code !== 0) throw new Error(`taking the bytes ended with ${code}`)
  return JSON.parse(output)
}

/** CPU time of all threads of what is measured, those of its rings too, in seconds. */
function cpuSeconds() {
  const threads = `/proc/${children.at(-1).pid}/task`
  const times = readdirSync(threads).map(thread => readFileSync(join(threads, thread, 'schedstat'), 'utf8'))
  return times.reduce((sum, text) => sum + Number(text.split(' ')[0]) / 1e9, 0)
}
