/**
 * Starts one echo server on one core, loads it from another, and prints what came of it as a sample.
 *
 *   node bench/peers/echo-peer.js '{"server": …, "parameters": …, "context": …, "seconds": …}'
 */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { root } from '#scripts/run.js'

const WARM_UP_SECONDS = 1
/** What the tail is measured after: many short loads, and a long one. */
const WAVES = 60
const WAVE_SECONDS = 0.2
const SETTLING_SECONDS = 3
const SERVER_CORE = '0'
const LOAD_CORE = String(Math.min(1, availableParallelism() - 1))
const PAGE_BYTES = 4096
/** Connections that are opened at a time: no more than the backlog holds. */
const AT_ONCE = 100

const { server, busy, parameters, context, seconds } = JSON.parse(process.argv[2])
const { connections, bytes, open, counted, idle } = parameters
const child = spawn('taskset', ['-c', SERVER_CORE, ...command()], { stdio: ['pipe', 'pipe', 'inherit'] })
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()

try {
  const { value: port } = await lines.next()
  const sample = idle ? await holdIdle(Number(port)) : await measure(port)
  process.stdout.write(`${JSON.stringify(sample)}\n`)
} finally {
  child.kill('SIGKILL')
}
process.exit()

function command() {
  if (server === 'C') return [context.server, ...(busy ? ['busy'] : [])]
  return [process.execPath, '--expose-gc', join(root, `bench/peers/echo-${server}.js`)]
}

async function measure(port) {
  const peak = load(port, WARM_UP_SECONDS, 0)
  const rate = open ? Math.round((await peakOfC(peak)) / 2) : 0
  if (open) settle(port, rate)
  if (counted) await ask('begin')
  const before = cpuSeconds()
  const result = load(port, seconds, rate)
  const took = cpuSeconds() - before
  const { echoes, seconds: elapsed, p50Us, p99Us } = result
  const figures = { 'CPU µs an echo': (took * 1e6) / echoes, 'p50 µs': p50Us, 'p99 µs': p99Us }
  if (counted) figures['system calls an echo'] = (await ask('end')).systemCalls / echoes
  if (!open) return { operations: echoes, seconds: elapsed, figures }
  return { operations: 1, seconds: p99Us / 1e6, figures: { ...figures, 'echoes a second': echoes / elapsed } }
}

/**
 * A compiler that optimizes as it goes has only seen large batches so far, and compiles anew for small ones and for
 * connections that come and go: the slowest per cent would be its, not the sockets'.
 */
function settle(port, rate) {
  for (let wave = 0; wave < WAVES; wave++) load(port, WAVE_SECONDS, rate)
  load(port, SETTLING_SECONDS, rate)
}

/** Everybody is loaded alike: by half of what the program in C reaches, on a core that it has for itself. */
async function peakOfC(own) {
  if (server === 'C' && !busy) return own.echoes / own.seconds
  child.kill('SIGSTOP')
  const peer = spawn('taskset', ['-c', SERVER_CORE, context.server], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await once(peer.stdout, 'data')
  const { echoes, seconds: elapsed } = load(String(line).trim(), WARM_UP_SECONDS, 0)
  peer.kill('SIGKILL')
  child.kill('SIGCONT')
  return echoes / elapsed
}

/** Blocks meanwhile: left to itself, this process tidies its own heap, now and then on the server's core. */
function load(port, duration, rate) {
  const args = ['-c', LOAD_CORE, context.load, port, connections, bytes, duration, rate].map(String)
  const { status, stdout } = spawnSync('taskset', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`the load ended with ${status}`)
  return JSON.parse(stdout)
}

/** CPU time of the server's main thread, in seconds. */
function cpuSeconds() {
  return Number(readFileSync(`/proc/${child.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9
}

async function ask(question) {
  child.stdin.write(`${question}\n`)
  const { value } = await lines.next()
  return JSON.parse(value)
}

/** Resident memory of the server, in bytes, once it has cleaned up. */
async function resident() {
  if (server !== 'C') await ask('collect')
  return Number(readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ')[1]) * PAGE_BYTES
}

/** Opens connections that have been served once and are silent now. */
async function holdIdle(port) {
  await openSome(port, AT_ONCE)
  const before = await resident()
  const start = performance.now()
  for (let count = AT_ONCE; count < connections; count += AT_ONCE) await openSome(port, AT_ONCE)
  const elapsed = (performance.now() - start) / 1000
  const each = ((await resident()) - before) / (connections - AT_ONCE)
  return { operations: connections, seconds: elapsed, figures: { 'bytes a connection': each } }
}

function openSome(port, count) {
  const opening = Array.from({ length: count }, async () => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(Buffer.alloc(bytes))
    await once(socket, 'data')
  })
  return Promise.all(opening)
}
