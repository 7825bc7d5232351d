/** What the file system knows of many files, and what is below a folder. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const FOLDERS = 128
const FILES = 800
/** The harness begins with 256 operations at a time, which are to be all files at once. */
const FILES_PER_OPERATION = (FOLDERS * FILES) / 256

/** @type {import('./harness/benchmark.js').Benchmark} An operation is 400 files. */
export default {
  about: 'stats of 102,400 files at once, and a walk over them; an operation is 400 files',
  setUp: makeFiles,
  tearDown: ({ folder }) => rmSync(folder, { recursive: true }),
  operations: 256,
  cases: [
    { name: 'stat', what: 'stat' },
    { name: 'walk', what: 'walk' },
  ],
  contestants: {
    statBatch: { start: startBatch, skip: only('stat') },
    'fs.promises.stat': { start: startPromises, skip: only('stat') },
    walk: { start: startWalk, skip: only('walk') },
    'fs.promises.readdir': { start: startReaddir, skip: only('walk') },
  },
  bars: [
    { of: 'statBatch', to: 'fs.promises.stat', where: is('stat'), bar: 3, aim: 6 },
    { of: 'walk', to: 'fs.promises.readdir', where: is('walk'), bar: 0.9, aim: 1 },
  ],
}

function is(what) {
  return parameters => parameters.what === what
}

function only(what) {
  return parameters => (parameters.what === what ? undefined : `it is not for this case`)
}

const folderPath = (folder, index) => join(folder, `folder-${index}`)
const filePath = (folder, index) =>
  join(folderPath(folder, Math.floor(index / FILES)), `file-${index % FILES}.txt`)

function makeFiles() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  for (let index = 0; index < FOLDERS; index++) mkdirSync(folderPath(folder, index))
  for (let index = 0; index < FOLDERS * FILES; index++) writeFileSync(filePath(folder, index), '')
  return { folder }
}

/** So many paths, over and over. */
function pathsOf(folder, operations) {
  const length = operations * FILES_PER_OPERATION
  return Array.from({ length }, (_, index) => filePath(folder, index % (FOLDERS * FILES)))
}

async function startBatch(_parameters, { folder }) {
  const { statBatch } = await import('sluice/file')
  return {
    step: async operations => {
      const all = await statBatch(pathsOf(folder, operations))
      if (all.some(each => each instanceof Error)) throw new Error('a file is missing')
    },
  }
}

function startPromises(_parameters, { folder }) {
  return {
    step: async operations => {
      await Promise.all(pathsOf(folder, operations).map(path => stat(path)))
    },
  }
}

/** Looks at the first so many files, whole trees of them. */
async function startWalk(_parameters, { folder }) {
  const { walk } = await import('sluice/file')
  return {
    step: async operations => {
      const wanted = operations * FILES_PER_OPERATION
      for (let seen = 0; seen < wanted; ) {
        for await (const entry of walk(folder)) {
          if (entry.isFile() && ++seen === wanted) break
        }
      }
    },
  }
}

function startReaddir(_parameters, { folder }) {
  return {
    step: async operations => {
      const wanted = operations * FILES_PER_OPERATION
      for (let seen = 0; seen < wanted; ) {
        for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
          if (entry.isFile() && ++seen === wanted) break
        }
      }
    },
  }
}
