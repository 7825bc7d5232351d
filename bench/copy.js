/** Copies of a large file and of many small ones: ours, as a program and as a function, beside coreutils and Node. */

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '#scripts/run.js'

const LARGE_BYTES = 2 ** 30
const FOLDERS = 200
const FILES = 20_000
const SMALL_BYTES = 4096

const contestant = name => ({
  command: ({ from, state }, { folder }) => [
    process.execPath,
    join(root, 'bench/peers/copy-once.js'),
    name,
    join(folder, from),
    join(folder, 'copy'),
    state,
  ],
  read: output => JSON.parse(output),
})

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'whole copies a second; a program counts from its start to its end',
  setUp: makeSources,
  tearDown: ({ folder }) => rmSync(folder, { recursive: true }),
  cases: [
    { name: '1 GiB, cached', from: 'large', state: 'cached' },
    { name: '1 GiB, not cached', from: 'large', state: 'cold' },
    { name: '20,000 files of 4 KiB', from: 'small', state: 'cached' },
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
  const piece = randomBytes(2 ** 22)
  for (let made = 0; made < LARGE_BYTES; made += piece.length) {
    writeFileSync(join(folder, 'large'), piece, { flag: 'a' })
  }
  for (let index = 0; index < FILES; index++) {
    const parent = join(folder, 'small', `${index % FOLDERS}`)
    if (index < FOLDERS) mkdirSync(parent, { recursive: true })
    writeFileSync(join(parent, `${index}`), piece.subarray(index * 64, index * 64 + SMALL_BYTES))
  }
  return { folder }
}
