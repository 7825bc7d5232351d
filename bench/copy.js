/** Copies of a large file and of many small ones: ours, as a program and as a function, beside coreutils and Node. */

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '#scripts/run.js'

const LARGE_BYTES = 2 ** 30
const FOLDERS = 200
const FILES = 20_000
const SMALL_BYTES = 4096
/** A file system in memory: what a copy costs where no disk is waited for. */
const MEMORY = '/dev/shm'

const contestant = name => ({
  command: ({ from, state, inMemory }, { folder, memory }) => {
    const place = inMemory ? memory : folder
    const program = join(root, 'bench/peers/copy-once.js')
    return [process.execPath, program, name, join(place, from), join(place, 'copy'), state]
  },
  read: output => JSON.parse(output),
  skip: ({ inMemory }) => (inMemory && !existsSync(MEMORY) ? `there is no ${MEMORY}` : undefined),
})

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'whole copies a second; a program counts from its start to its end',
  setUp: makeSources,
  tearDown({ folder, memory }) {
    rmSync(folder, { recursive: true })
    if (memory !== undefined) rmSync(memory, { recursive: true })
  },
  cases: [
    { name: '1 GiB, cached', from: 'large', state: 'cached' },
    { name: '1 GiB, not cached', from: 'large', state: 'cold' },
    { name: '20,000 files of 4 KiB', from: 'small', state: 'cached' },
    { name: '20,000 files of 4 KiB, in memory', from: 'small', state: 'cached', inMemory: true },
  ],
  contestants: {
    'sluice cp': contestant('sluice cp'),
    'copyTree()': contestant('copyTree()'),
    'coreutils cp': contestant('coreutils cp'),
    'fs.promises.cp': contestant('fs.promises.cp'),
  },
  bars: [
    { of: 'sluice cp', to: 'coreutils cp', where: ({ from }) => from === 'large', bar: 1, aim: 1.2 },
    { of: 'sluice cp', to: 'coreutils cp', where: ({ from }) => from === 'small', bar: 1, aim: 2 },
    { of: 'sluice cp', to: 'fs.promises.cp', where: ({ from }) => from === 'small', bar: 4, aim: 8 },
  ],
}

function makeSources() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  const memory = existsSync(MEMORY) ? mkdtempSync(join(MEMORY, 'sluice-bench-')) : undefined
  const piece = randomBytes(2 ** 22)
  for (let made = 0; made < LARGE_BYTES; made += piece.length) {
    writeFileSync(join(folder, 'large'), piece, { flag: 'a' })
  }
  makeSmall(folder, piece)
  if (memory !== undefined) makeSmall(memory, piece)
  return { folder, memory }
}

function makeSmall(folder, piece) {
  for (let index = 0; index < FILES; index++) {
    const parent = join(folder, 'small', `${index % FOLDERS}`)
    if (index < FOLDERS) mkdirSync(parent, { recursive: true })
    writeFileSync(join(parent, `${index}`), piece.subarray(index * 64, index * 64 + SMALL_BYTES))
  }
}
