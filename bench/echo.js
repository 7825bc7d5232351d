/** Echo servers: ours, one with epoll in C, and node:net; server and load on a core each. */

import { join } from 'node:path'
import { root } from '#scripts/run.js'
import { compilePeer } from './harness/compile.js'

const closed = { connections: 64, bytes: 64 }

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'echo over TCP on the loopback interface, server and load on a core each',
  packages: ['gcc', 'libc6-dev', 'liburing-dev', 'util-linux'],
  setUp: async () => ({
    server: await compilePeer('echo', []),
    load: await compilePeer('echo-load', ['-luring']),
  }),
  cases: [
    { name: '64 connections × 64 B', ...closed },
    { name: '64 connections × 4 KiB', connections: 64, bytes: 4096 },
    { name: '64 connections × 64 KiB', connections: 64, bytes: 65536 },
    { name: '1 connection × 64 B', connections: 1, bytes: 64 },
    { name: '1,000 connections × 64 B', connections: 1000, bytes: 64 },
    { name: 'p99 at half the peak rate', ...closed, open: true },
    { name: 'system calls', ...closed, counted: true },
    { name: '10,000 idle connections', connections: 10_000, bytes: 64, idle: true },
  ],
  contestants: {
    sluice: server('sluice'),
    'C with epoll': server('C', ({ counted }) => (counted ? 'not of this case' : undefined)),
    // What being busy costs by itself: its core is never idle, as that of a runtime rarely is at this rate.
    'C that never sleeps': server('C', ({ open }) => (open ? undefined : 'not of this case'), true),
    'node:net': server('net', ({ counted }) => (counted ? 'not of this case' : undefined)),
  },
  bars: [
    { of: 'sluice', to: 'C with epoll', where: named(/^64 connections × 64 B/), bar: 1, aim: 1.2 },
    { of: 'sluice', to: 'node:net', where: named(/^64 connections × 64 B/), bar: 1.15, aim: 1.4 },
    // Here the rate is one through the time: no more than 1.2 times as long.
    { of: 'sluice', to: 'C with epoll', where: named(/^p99/), bar: 1 / 1.2, aim: 1 },
    { of: 'sluice', figure: 'system calls an echo', where: named(/^system calls/), most: 0.2 },
    { of: 'sluice', figure: 'bytes a connection', where: named(/^10,000/), most: 4096 },
  ],
}

function named(pattern) {
  return ({ name }) => pattern.test(name)
}

/** @param busy has the program in C never sleep */
function server(name, skip = () => undefined, busy = false) {
  return {
    command: (parameters, context, seconds) => [
      process.execPath,
      join(root, 'bench/peers/echo-peer.js'),
      JSON.stringify({ server: name, busy, parameters, context, seconds }),
    ],
    read: output => JSON.parse(output.trim().split('\n').at(-1)),
    skip,
  }
}
