/** A file of 1 GiB that is in the page cache, to one socket: our connection beside nginx, Node's response beside a stream. */

import { randomBytes } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '#scripts/run.js'
import { compilePeer } from './harness/compile.js'

const BYTES = 2 ** 30
const CPU = 'CPU s a GiB'

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'a cached file to a socket on the loopback interface, sender and receiver on a core each; in GiB',
  packages: ['nginx-light', 'gcc', 'libc6-dev', 'util-linux'],
  setUp,
  tearDown: ({ base }) => rmSync(base, { recursive: true }),
  cases: [{ name: '1 GiB', bytes: BYTES }],
  contestants: {
    sluice: sender('sluice'),
    // As nginx's sockets are, where the system's congestion control paces also what stays on the machine.
    'sluice, paced as the system has it': sender('sluice, paced'),
    'nginx with sendfile': sender('nginx'),
    'sendFile() of node:http': sender('sendFile'),
    'createReadStream().pipe()': sender('pipe'),
  },
  bars: [
    { of: 'sluice, paced as the system has it', to: 'nginx with sendfile', bar: 1, aim: 1.2 },
    { of: 'sluice', to: 'nginx with sendfile', bar: 1, aim: 1.2 },
    { of: 'sluice', to: 'nginx with sendfile', figure: CPU, most: 1 },
    { of: 'sendFile() of node:http', to: 'createReadStream().pipe()', figure: CPU, most: 0.4 },
  ],
}

function sender(name) {
  return {
    command: (parameters, context, seconds) => [
      process.execPath,
      join(root, 'bench/peers/bytes-peer.js'),
      JSON.stringify({ sender: name, parameters, context, seconds }),
    ],
    read: output => JSON.parse(output.trim().split('\n').at(-1)),
  }
}

async function setUp() {
  const base = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const file = join(base, 'file')
  const block = randomBytes(2 ** 20)
  const fd = openSync(file, 'w')
  for (let made = 0; made < BYTES; made += block.length) writeSync(fd, block)
  closeSync(fd)
  return { base, file, discard: await compilePeer('discard', []) }
}
