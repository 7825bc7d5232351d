/** Random reads of 4 KiB from a file: the ring, and promises above it, beside Node's own ways and fio. */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  read,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { open as openNode } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { alignedBuffer } from 'sluice/memory'
import { prepareReadAt, prepareReadFixedAt, Ring } from 'sluice/ring'
import { addressOf, IOSQE } from '#dist/kernel/index.js'

const BLOCK = 4096
const FILE_BYTES = 256 * 2 ** 20
const BLOCKS = FILE_BYTES / BLOCK
const DEPTHS = [1, 8, 64, 256]

const randomPosition = () => Math.floor(Math.random() * BLOCKS) * BLOCK
const flagsOf = direct => (direct ? constants.O_RDONLY | constants.O_DIRECT : constants.O_RDONLY)

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'random reads of 4 KiB from a file of 256 MiB, cached and direct',
  packages: ['fio'],
  setUp: makeFile,
  tearDown: ({ folder }) => rmSync(folder, { recursive: true }),
  beforeCase: ({ direct }, { path }) => !direct && cacheFile(path),
  cases: [false, true].flatMap(direct =>
    DEPTHS.map(depth => ({ name: `${direct ? 'direct' : 'cached'}, depth ${depth}`, direct, depth })),
  ),
  contestants: {
    'Ring, fixed': { start: (parameters, { path }) => startRing(parameters, path, true) },
    'Ring, plain': { start: (parameters, { path }) => startRing(parameters, path, false) },
    FileHandle: { start: startFileHandle },
    'FileHandle, epoll': { start: startFileHandle, env: { SLUICE_DRIVER: 'epoll' } },
    'fs.promises': { start: startNodeFileHandle },
    'fs.read': { start: startCallbacks },
    fio: { command: fioCommand, read: readFio },
  },
  bars: [
    { of: 'Ring, fixed', to: 'fio', where: at(false, 64), bar: 1, aim: 1.2 },
    { of: 'Ring, fixed', to: 'fio', where: at(true, 64), bar: 0.95, aim: 1 },
    { of: 'FileHandle', to: 'fs.promises', where: at(false, 64), bar: 7, aim: 10 },
    { of: 'FileHandle', to: 'fs.promises', where: at(false, 1), bar: 2.5, aim: 4 },
    { of: 'FileHandle, epoll', to: 'fs.promises', bar: 1, aim: 2 },
    { of: 'FileHandle', figure: 'system calls per operation', where: at(false, 64), most: 0.05 },
  ],
}

function at(direct, depth) {
  return parameters => parameters.direct === direct && parameters.depth === depth
}

function makeFile() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const path = join(folder, 'data')
  const piece = randomBytes(2 ** 20)
  writeFileSync(path, '', { flush: true })
  for (let made = 0; made < FILE_BYTES; made += piece.length) writeFileSync(path, piece, { flag: 'a' })
  return { folder, path }
}

/** Reads it all, so that a cached case finds every page. */
function cacheFile(path) {
  readFileSync(path)
}

/** Keeps `depth` reads in flight; each completion prepares the next one. */
function startRing({ direct, depth }, path, fixed) {
  const fd = openSync(path, flagsOf(direct))
  const slab = alignedBuffer(depth * BLOCK)
  const address = addressOf(slab)
  const ring = new Ring({ entries: depth, mode: 'dedicated' })
  const queue = ring.submissions
  ring.registerFiles([fd])
  ring.registerBuffers([slab])
  const prepareFixed = slot => {
    prepareReadFixedAt(queue, 0, address + slot * BLOCK, BLOCK, 0, randomPosition(), slot)
    queue.mark(IOSQE.FIXED_FILE)
  }
  const preparePlain = slot => prepareReadAt(queue, fd, address + slot * BLOCK, BLOCK, randomPosition(), slot)
  const prepare = fixed ? prepareFixed : preparePlain
  // As fio does: a device is told of several at once, which costs a guest one notification instead of many.
  const wanted = direct ? batchOf(depth) : 1
  let done = 0
  const see = (slot, result) => {
    if (result !== BLOCK) throw new Error(`a read gave ${result}`)
    done++
    prepare(slot)
  }
  for (let slot = 0; slot < depth; slot++) prepare(slot)
  return {
    step(operations) {
      const end = done + operations
      while (done < end) {
        ring.submit(wanted)
        ring.reap(see)
      }
    },
    stop: () => ring.close(),
  }
}

/** Carries out operations in `depth` chains, each of which awaits its read before the next. */
function chains(depth, readBlock) {
  const slab = alignedBuffer(depth * BLOCK)
  const buffers = Array.from({ length: depth }, (_, slot) => slab.subarray(slot * BLOCK, (slot + 1) * BLOCK))
  return async operations => {
    let left = operations
    const chain = async buffer => {
      while (left-- > 0) {
        const { bytesRead } = await readBlock(buffer)
        if (bytesRead !== BLOCK) throw new Error(`a read gave ${bytesRead}`)
      }
    }
    await Promise.all(buffers.map(chain))
  }
}

async function startFileHandle({ direct, depth }, { path }) {
  const { open } = await import('sluice/file')
  const { engine } = await import('#dist/engine/index.js')
  const file = await open(path, flagsOf(direct))
  let before = 0
  return {
    step: chains(depth, buffer => file.read(buffer, 0, BLOCK, randomPosition())),
    begin: () => {
      before = engine().stats().enters
    },
    figures: operations => ringFigures(engine(), (engine().stats().enters - before) / operations),
    stop: () => file.close(),
  }
}

/** On `epoll`, the threads' own system calls are not counted, so there is nothing to say. */
function ringFigures({ driver }, calls) {
  return driver === 'ring' ? { 'system calls per operation': calls } : {}
}

async function startNodeFileHandle({ direct, depth }, { path }) {
  const file = await openNode(path, flagsOf(direct))
  return {
    step: chains(depth, buffer => file.read(buffer, 0, BLOCK, randomPosition())),
    stop: () => file.close(),
  }
}

function startCallbacks({ direct, depth }, { path }) {
  const fd = openSync(path, flagsOf(direct))
  const slab = alignedBuffer(depth * BLOCK)
  const step = operations =>
    new Promise((resolve, reject) => {
      let started = 0
      let ended = 0
      const next = buffer => {
        started++
        read(fd, buffer, 0, BLOCK, randomPosition(), (error, bytesRead) => {
          if (error || bytesRead !== BLOCK) return reject(error ?? new Error(`a read gave ${bytesRead}`))
          if (++ended === operations) resolve()
          else if (started < operations) next(buffer)
        })
      }
      for (let slot = 0; slot < Math.min(depth, operations); slot++) {
        next(slab.subarray(slot * BLOCK, (slot + 1) * BLOCK))
      }
    })
  return { step, stop: () => closeSync(fd) }
}

/** Reads that are submitted to a device together. */
function batchOf(depth) {
  return Math.ceil(depth / 4)
}

/** fio as fast as it goes: with its default of one entry a system call, the ring would win by far. */
function fioCommand({ direct, depth }, { path }, seconds) {
  const batch = direct ? batchOf(depth) : depth
  return [
    'fio',
    '--name=read',
    '--readonly',
    `--filename=${path}`,
    `--size=${FILE_BYTES}`,
    '--rw=randread',
    `--bs=${BLOCK}`,
    '--ioengine=io_uring',
    '--fixedbufs',
    '--registerfiles',
    `--direct=${Number(direct)}`,
    `--iodepth=${depth}`,
    `--iodepth_batch_submit=${batch}`,
    `--iodepth_batch_complete_max=${batch}`,
    '--invalidate=0',
    '--norandommap',
    '--gtod_reduce=1',
    '--thread',
    '--time_based',
    '--ramp_time=200ms',
    `--runtime=${Math.round(seconds * 1000)}ms`,
    '--output-format=json',
  ]
}

function readFio(output) {
  const { read: reads } = JSON.parse(output.slice(output.indexOf('{'))).jobs[0]
  return { operations: reads.total_ios, seconds: reads.runtime / 1000 }
}
