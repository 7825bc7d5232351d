/** 1 GiB from one socket to another, by splice(2) here and there: ours beside HAProxy. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '#scripts/run.js'
import { compilePeer } from './harness/compile.js'

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'TCP relayed on the loopback interface, relay on one core, source and receiver on the other; in GiB',
  packages: ['haproxy', 'gcc', 'libc6-dev', 'util-linux'],
  setUp: async () => ({
    base: mkdtempSync(join(tmpdir(), 'sluice-bench-')),
    discard: await compilePeer('discard', []),
    spew: await compilePeer('spew', ['-pthread']),
  }),
  tearDown: ({ base }) => rmSync(base, { recursive: true }),
  cases: [{ name: '1 GiB', bytes: 2 ** 30 }],
  contestants: {
    sluice: relay('relay'),
    // As HAProxy's sockets are, where the system's congestion control paces also what stays on the machine.
    'sluice, paced as the system has it': relay('relay, paced'),
    HAProxy: relay('haproxy'),
  },
  bars: [
    { of: 'sluice, paced as the system has it', to: 'HAProxy', bar: 1, aim: 1.1 },
    { of: 'sluice', to: 'HAProxy', bar: 1, aim: 1.1 },
    { of: 'sluice', to: 'HAProxy', figure: 'CPU s a GiB', most: 1 },
  ],
}

function relay(name) {
  return {
    command: (parameters, context, seconds) => [
      process.execPath,
      join(root, 'bench/peers/bytes-peer.js'),
      JSON.stringify({ sender: name, parameters, context, seconds }),
    ],
    read: output => JSON.parse(output.trim().split('\n').at(-1)),
  }
}
