import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as engine from '#dist/engine/index.js'
import * as file from '#dist/file/index.js'
import * as main from '#dist/index.js'
import * as memory from '#dist/memory/index.js'
import * as ring from '#dist/ring/index.js'
import { type Calls, check, functionsOf, type Method, methodsOf } from '../helpers/wrong-calls.js'
import { finish } from '../helpers/wrong-values.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-wrong-'))
after(() => rmSync(folder, { recursive: true }))
// A wrong value may be the name of a file that is made: not in the checkout.
const before = process.cwd()
process.chdir(folder)
after(() => process.chdir(before))
const path = join(folder, 'file')
writeFileSync(path, Buffer.alloc(65536, 'x'))
const tree = join(folder, 'tree')
mkdirSync(tree)
writeFileSync(join(tree, 'leaf'), 'x')
const view = memory.alignedBuffer(4096)

const noRing = (() => {
  try {
    new ring.Ring({ entries: 1 }).close()
    return false
  } catch (error) {
    return `io_uring is refused: ${(error as Error).message}`
  }
})()

const RING_OPTIONS = {
  entries: 4,
  completionEntries: 8,
  mode: 'hosted',
  sqThreadIdle: 1,
  sqThreadCpu: 0,
  flags: 0,
  workers: { bounded: 1, unbounded: 1 },
  share: undefined,
  messages: false,
}

const RING: Calls = {
  submit: [0, 0, 0],
  reap: [() => {}],
  resize: [16, 32],
  register: [8, view, 0],
  supports: [1],
  registerBuffers: [[view]],
  updateBuffers: [0, [view]],
  cloneBuffers: [{ fd: 0 }, { offset: 0 }],
  registerFiles: [[0]],
  updateFiles: [0, [0]],
  limitFileAllocation: [0, 1],
  registerBufferRing: [{ group: 1, entries: 2, bufferSize: 64, incremental: false }],
  registerBlockRing: [{ group: 1, entries: 2, blockSize: 64 }],
  registerEventfd: [0, { asyncOnly: false }],
  unregisterPersonality: [1],
  restrict: [[]],
  limitWorkers: [1, 1],
  bindWorkers: [[0]],
  cancelNow: [{ userData: 1, fd: 1, operation: 1, timeoutMs: 1 }],
}

test('a ring answers wrong arguments with an error that has a code', { skip: noRing }, async () => {
  await check([
    { name: 'Ring', args: [RING_OPTIONS], call: options => new ring.Ring(options) },
    ...methodsOf('Ring', () => new ring.Ring({ entries: 4 }), RING),
  ])
})

const ARENA = { blockSize: 64, blocks: 2, exhausted: 'reject', maxWaiting: 1, populate: false }
const MAPPING = { length: 4096, offset: 0, access: 'read', shared: true, populate: false }

const makeArena = () => new memory.Arena({ blockSize: 64, blocks: 2 })
const ARENA_METHODS: Calls = { acquire: [{}], release: [{}], register: [{}] }
const makeMapping = () => new memory.Mapping({ length: 4096 })
const RANGE = [0, 4096]
const MAPPING_METHODS: Calls = {
  advise: ['random', ...RANGE],
  sync: [{ offset: 0, length: 4096 }],
  lock: RANGE,
  unlock: RANGE,
  residency: RANGE,
  resident: RANGE,
}

test('memory answers wrong arguments with an error that has a code', async () => {
  await check([
    ...functionsOf(memory, { alignedBuffer: [16, 4096] }),
    { name: 'Arena', args: [ARENA], call: options => new memory.Arena(options) },
    ...methodsOf('Arena', makeArena, ARENA_METHODS),
    { name: 'Mapping', args: [MAPPING], call: options => new memory.Mapping(options) },
    ...methodsOf('Mapping', makeMapping, MAPPING_METHODS),
  ])
})

test('an engine answers wrong options with an error that has a code', async () => {
  const options = { driver: 'epoll', strict: false, entries: 4, threads: 1, maxInFlight: 4, maxWaiting: 4 }
  await check([{ name: 'Engine', args: [options], call: given => new engine.Engine(given) }])
})

const FILE: Calls = {
  read: [Buffer.alloc(8), 0, 8, 0],
  readv: [[Buffer.alloc(8)], 0],
  write: [Buffer.alloc(8), 0, 8, 0],
  writev: [[Buffer.alloc(8)], 0],
  readFile: [{ encoding: 'utf8' }],
  writeFile: ['text', { encoding: 'utf8' }],
  appendFile: ['text', { encoding: 'utf8' }],
  stat: [{ bigint: false }],
  truncate: [4096],
  chmod: [0o644],
  chown: [-1, -1],
  utimes: [0, 0],
  stream: [{ chunkSize: 4096, depth: 2 }],
  writer: [{ chunkSize: 4096, depth: 2 }],
  readBatch: [[{ buffer: Buffer.alloc(8), position: 0 }], {}],
  writeBatch: [[{ buffer: Buffer.alloc(8), position: 0 }], {}],
  extents: [{ offset: 0, length: 1 }],
  allocate: [0, 4096, 'reserve'],
  advise: ['random', 0, 0],
  syncRange: [0, 0, {}],
  lock: [{ wait: false }],
  unlock: [{ offset: 0, length: 1 }],
  createReadStream: [{ start: 0, end: 10 }],
  createWriteStream: [{ start: 0 }],
  readLines: [{ start: 0 }],
  readableWebStream: [{ autoClose: false }],
}

test('a file answers wrong arguments with an error that has a code', async () => {
  await check(methodsOf('FileHandle', () => file.open(path, 'r+'), FILE))
})

const mapFile = () => file.MappedFile.open(path, { access: 'write' })
const MAPPED: Calls = {
  read: [0, Buffer.alloc(8)],
  write: [0, Buffer.alloc(8)],
  advise: ['random', ...RANGE],
  lock: RANGE,
  unlock: RANGE,
  resident: RANGE,
  sync: RANGE,
  flush: RANGE,
  resize: [65536],
}

test('functions on files answer wrong arguments with an error that has a code', async () => {
  const copy = { preserve: false, reflink: 'auto' }
  await check([
    ...functionsOf(file, {
      open: [path, 'r', { direct: false, mode: 0o644 }],
      copyFile: [path, join(folder, 'copy'), copy],
      copyTree: [tree, join(folder, 'copied'), copy],
      copyPaths: [[path], join(folder, 'copies'), copy],
      statBatch: [[path], { concurrency: 1 }],
      walk: [tree, {}],
    }),
    ...functionsOf(file.MappedFile, { open: [path, { access: 'read', length: 4096 }] }),
    ...functionsOf(file.AppendLog, { open: [join(folder, 'log'), {}], read: [join(folder, 'log'), {}] }),
    ...functionsOf(main, { probe: [folder] }),
    ...methodsOf('MappedFile', mapFile, MAPPED),
  ])
})

/** What cannot be asked of a closed object, by the code that says so; undefined where it may be asked. */
async function afterClose(make: () => unknown, method: string, args: readonly unknown[]): Promise<unknown> {
  const object = (await make()) as Record<string, Method>
  await (object.close ?? object.unmap)?.call(object)
  try {
    await finish(await object[method]?.(...args))
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? error
  }
}

test('whatever is asked of a closed object is refused as closed', async () => {
  // What Node has too is held against Node's in file/node-parity.test.ts.
  const { createReadStream, createWriteStream, readLines, readableWebStream, writer, ...ours } = FILE
  const subjects: [string, () => unknown, Calls][] = [
    ['Arena', makeArena, { acquire: [], take: [], register: [{}] }],
    ['Mapping', makeMapping, MAPPING_METHODS],
    ['MappedFile', mapFile, MAPPED],
    ['FileHandle', () => file.open(path, 'r+'), { ...ours, sync: [], datasync: [] }],
  ]
  if (noRing === false) {
    const { reap, supports, cloneBuffers, ...others } = RING
    subjects.push(['Ring', () => new ring.Ring({ entries: 4 }), others])
  }
  const answers: Record<string, unknown> = {}
  for (const [name, make, calls] of subjects) {
    for (const [method, args] of Object.entries(calls)) {
      const answer = await afterClose(make, method, args)
      if (answer !== 'ERR_SLUICE_CLOSED' && answer !== 'EBADF') answers[`${name}.${method}`] = answer
    }
  }
  assert.deepEqual(answers, {})
})
