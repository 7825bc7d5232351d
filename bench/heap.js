/** Whether operations leave anything behind: the heap before and after ten million of them. */
import { closeSync, openSync } from 'node:fs'
import { alignedBuffer } from 'sluice/memory'
import { prepareReadAt, Ring } from 'sluice/ring'
import { addressOf } from '#dist/kernel/index.js'

const BLOCK = 64
const DEPTH = 64
/** Always there, of no length that matters, and never a disk's turn. */
const SOURCE = '/dev/zero'

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: `the heap after 10 million reads of ${BLOCK} bytes, ${DEPTH} at a time`,
  operations: 10_000_000,
  rounds: 1,
  cases: [{ name: 'heap' }],
  contestants: {
    FileHandle: { start: startFileHandle, node: ['--expose-gc'] },
    'FileHandle, epoll': { start: startFileHandle, node: ['--expose-gc'], env: { SLUICE_DRIVER: 'epoll' } },
    Ring: { start: startRing, node: ['--expose-gc'] },
  },
  // "None", for a heap in which V8 itself moves a few kilobytes about: less than a byte in a hundred operations.
  bars: ['FileHandle', 'FileHandle, epoll', 'Ring'].map(of => ({
    of,
    figure: 'heap growth, bytes',
    most: 100_000,
  })),
}

/** `begin` and `figures` of a contestant that reports by how much the heap has grown. */
function heapFigures() {
  let before = 0
  const used = () => {
    globalThis.gc()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  return {
    begin: () => {
      before = used()
    },
    figures: () => ({ 'heap growth, bytes': used() - before }),
  }
}

async function startFileHandle() {
  const { open } = await import('sluice/file')
  const file = await open(SOURCE)
  const buffers = Array.from({ length: DEPTH }, () => alignedBuffer(BLOCK))
  const step = async operations => {
    let left = operations
    const chain = async buffer => {
      while (left-- > 0) await file.read(buffer, 0, BLOCK, 0)
    }
    await Promise.all(buffers.map(chain))
  }
  return { step, ...heapFigures(), stop: () => file.close() }
}

function startRing() {
  const fd = openSync(SOURCE)
  const slab = alignedBuffer(DEPTH * BLOCK)
  const address = addressOf(slab)
  const ring = new Ring({ entries: DEPTH, mode: 'dedicated' })
  let done = 0
  const prepare = slot => prepareReadAt(ring.submissions, fd, address + slot * BLOCK, BLOCK, 0, slot)
  const see = slot => {
    done++
    prepare(slot)
  }
  for (let slot = 0; slot < DEPTH; slot++) prepare(slot)
  const step = operations => {
    for (const end = done + operations; done < end; ) {
      ring.submit(1)
      ring.reap(see)
    }
  }
  const stop = () => {
    ring.close()
    closeSync(fd)
  }
  // The kernel knows the address alone: without this the slab would be collected, and read into all the same.
  return { step, ...heapFigures(), stop, held: slab }
}
