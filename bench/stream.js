/** A file of 1 GiB from its beginning to its end: read from the page cache, read past it, and written. */

import { randomBytes } from 'node:crypto'
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '#scripts/run.js'

const MIB = 2 ** 20
const FILE_MIB = 1024
const DIRECT = { chunkSize: MIB, depth: 8 }
/** `stream()` holds eight chunks of 512 KiB in flight by default; 16 MiB are for everything else. */
const MEMORY_MIB = 8 * 0.5 + 16

/** @type {import('./harness/benchmark.js').Benchmark} An operation is 1 MiB. */
export default {
  about: 'MiB of a file of 1 GiB, streamed: cached, past the page cache, and written',
  packages: ['fio'],
  setUp: makeFile,
  tearDown: ({ folder }) => rmSync(folder, { recursive: true }),
  beforeCase: ({ way }, { path }) => way === 'cached' && cacheFile(path),
  cases: [
    { name: 'read, cached', way: 'cached' },
    { name: 'read, direct', way: 'direct' },
    { name: 'write', way: 'write' },
  ],
  contestants: {
    'stream()': { start: startStream, skip: onlyReading },
    'stream(), epoll': { start: startStream, skip: onlyReading, env: { SLUICE_DRIVER: 'epoll' } },
    'stream().toNode()': { start: startNodeAdapter, skip: only('cached') },
    createReadStream: { start: startReadStream, skip: only('cached') },
    'writer()': writer('writer()'),
    'writer(), epoll': writer('writer()', { SLUICE_DRIVER: 'epoll' }),
    createWriteStream: writer('createWriteStream'),
    fio: { command: fioCommand, read: readFio, skip: only('direct') },
  },
  bars: [
    { of: 'stream()', to: 'createReadStream', where: is('cached'), bar: 2, aim: 4 },
    { of: 'stream()', to: 'fio', where: is('direct'), bar: 0.95, aim: 1 },
    { of: 'writer()', to: 'createWriteStream', where: is('write'), bar: 1.5, aim: 3 },
    { of: 'stream()', figure: 'MiB of memory', where: is('cached'), most: MEMORY_MIB },
  ],
}

function is(way) {
  return parameters => parameters.way === way
}

function only(way) {
  return parameters => (parameters.way === way ? undefined : `it is not for this case`)
}

function onlyReading({ way }) {
  return way === 'write' ? 'it reads' : undefined
}

function makeFile() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const path = join(folder, 'data')
  const piece = randomBytes(MIB)
  for (let made = 0; made < FILE_MIB; made++) writeFileSync(path, piece, { flag: 'a' })
  return { folder, path }
}

function cacheFile(path) {
  readFileSync(path)
}

/** The most memory this process has had in RAM, in MiB. */
function peakMib() {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024
}

/** Streams so many MiB, from the file's beginning each time. @param read streams the first so many bytes */
function passes(read) {
  return async operations => {
    for (let left = operations; left > 0; left -= FILE_MIB) {
      const bytes = Math.min(left, FILE_MIB) * MIB
      const got = await read(bytes)
      if (got !== bytes) throw new Error(`${got} bytes came instead of ${bytes}`)
    }
  }
}

async function lengthOf(chunks) {
  let bytes = 0
  for await (const chunk of chunks) bytes += chunk.length
  return bytes
}

async function startStream({ way }, { path }) {
  const { open } = await import('sluice/file')
  const direct = way === 'direct'
  const file = await open(path, 'r', { direct })
  const before = peakMib()
  return {
    step: passes(bytes => lengthOf(file.stream({ end: bytes - 1, ...(direct ? DIRECT : {}) }))),
    figures: () => ({ 'MiB of memory': peakMib() - before }),
    stop: () => file.close(),
  }
}

async function startNodeAdapter(_parameters, { path }) {
  const { open } = await import('sluice/file')
  const file = await open(path)
  return {
    step: passes(bytes => lengthOf(file.stream({ end: bytes - 1 }).toNode())),
    stop: () => file.close(),
  }
}

function startReadStream(_parameters, { path }) {
  const before = peakMib()
  return {
    step: passes(bytes => lengthOf(createReadStream(path, { end: bytes - 1 }))),
    figures: () => ({ 'MiB of memory': peakMib() - before }),
  }
}

function writer(name, env) {
  return {
    command: (_parameters, { folder }) => [
      process.execPath,
      join(root, 'bench/peers/write-once.js'),
      name,
      folder,
      `${FILE_MIB}`,
    ],
    read: output => JSON.parse(output),
    skip: only('write'),
    env,
  }
}

function fioCommand(_parameters, { path }, seconds) {
  return [
    'fio',
    '--name=read',
    '--readonly',
    `--filename=${path}`,
    '--rw=read',
    `--bs=${DIRECT.chunkSize}`,
    `--iodepth=${DIRECT.depth}`,
    '--ioengine=io_uring',
    '--direct=1',
    '--gtod_reduce=1',
    '--thread',
    '--time_based',
    '--ramp_time=200ms',
    `--runtime=${Math.round(seconds * 1000)}ms`,
    '--output-format=json',
  ]
}

function readFio(output) {
  const { read } = JSON.parse(output.slice(output.indexOf('{'))).jobs[0]
  return { operations: read.total_ios, seconds: read.runtime / 1000 }
}
