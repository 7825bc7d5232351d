/** What loads a server for bench/serve.js, and what a process has taken meanwhile. */

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { pageCache } from 'sluice/file'

const CORE = String(Math.min(1, availableParallelism() - 1))
const TICKS_PER_SECOND = 100
const SAMPLE_MS = 100
/** Each slow reader takes what has come, so many times, so long apart. */
const SLOW_READS = 20
const SLOW_MS = 250

/** CPU time of a process, in seconds. @see proc_pid_stat(5) */
export function cpuTimes(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND }
}

/** Has the page cache forget every file of a folder. */
export async function evict(folder) {
  for (const name of readdirSync(folder)) {
    const fd = openSync(join(folder, name))
    try {
      await pageCache.evict(fd)
    } finally {
      closeSync(fd)
    }
  }
}

/**
 * One of bench/peers/http-load.c. It blocks meanwhile: left to itself, this process tidies its own heap, now and then on the
 * server's core.
 *
 * @returns what it prints
 */
export function httpLoad(program, args, condition) {
  const fields = condition === undefined ? [] : [condition]
  const { status, stdout } = spawnSync('taskset', ['-c', CORE, program, ...args.map(String), ...fields], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stdout}`)
  return JSON.parse(stdout)
}

/** @returns what http-load does, but for percentiles */
export async function wrk(url, connections, seconds, condition) {
  const fields = condition === undefined ? [] : ['-H', condition]
  // It takes whole seconds alone.
  const whole = `${Math.max(1, Math.round(seconds))}s`
  let share = 0
  const args = ['-t1', '--timeout', '10s', `-c${connections}`, `-d${whole}`, ...fields, url]
  const output = await watchedWrk(args, seen => {
    share = seen
  })
  const errors = /Socket errors.*|Non-2xx.*/.exec(output)
  if (errors !== null) throw new Error(errors[0])
  const [, operations, took, unit] = /(\d+) requests in ([\d.]+)(m?s)/.exec(output)
  const time = unit === 's' ? Number(took) : took / 1000
  return { operations: Number(operations), seconds: time, clientSeconds: share * time }
}

/** @param onShare told again and again how much of a core it has taken so far */
async function watchedWrk(args, onShare) {
  const running = spawn('taskset', ['-c', CORE, 'wrk', ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  running.stdout.setEncoding('utf8').on('data', text => {
    output += text
  })
  const stop = watchShare(running.pid, onShare)
  const [code] = await once(running, 'close')
  stop()
  if (code !== 0) throw new Error(`wrk ended with ${code}: ${output}`)
  return output
}

function watchShare(pid, onShare) {
  const from = performance.now()
  const timer = setInterval(() => {
    const { user, system } = cpuTimes(pid)
    onShare((user + system) / ((performance.now() - from) / 1000))
  }, SAMPLE_MS)
  return () => clearInterval(timer)
}

/**
 * Many who ask for a file and take of it what has come once in a while.
 *
 * @returns how many bytes in how many seconds, and the most memory that the server had resident meanwhile
 */
export async function readSlowly(pid, port, path, connections) {
  const sockets = []
  for (let index = 0; index < connections; index++) {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    sockets.push(socket)
  }
  const start = performance.now()
  let bytes = 0
  for (let read = 0; read < SLOW_READS; read++) {
    await wait(SLOW_MS)
    for (const socket of sockets) bytes += socket.read()?.length ?? 0
  }
  for (const socket of sockets) {
    if (socket.destroyed || socket.bytesRead === 0) throw new Error('a slow reader was not served')
    socket.destroy()
  }
  return { bytes, seconds: (performance.now() - start) / 1000, resident: peakResident(pid) }
}

/** In bytes. @see proc_pid_status(5) */
function peakResident(pid) {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024
}
