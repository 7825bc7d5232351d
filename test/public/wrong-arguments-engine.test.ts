import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type DriverName, Engine } from '#dist/engine/index.js'
import * as file from '#dist/file/index.js'
import { alignedBuffer } from '#dist/memory/index.js'
import * as observe from '#dist/observe/index.js'
import * as ring from '#dist/ring/index.js'
import { type Call, callWrongly } from '../helpers/wrong-values.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-wrong-engine-'))
// What is wrong may be taken for the name of a file, and made.
process.chdir(folder)
const path = join(folder, 'file')
writeFileSync(path, Buffer.alloc(65536, 'x'))
const fd = openSync(path, 'r+')
after(() => {
  closeSync(fd)
  process.chdir('/')
  rmSync(folder, { recursive: true })
})

async function check(calls: readonly Call[]): Promise<void> {
  const complaints: string[] = []
  for (const call of calls) complaints.push(...(await callWrongly(call)))
  assert.deepEqual(complaints, [])
}

const noRing = (() => {
  try {
    new ring.Ring({ entries: 1 }).close()
    return false
  } catch (error) {
    return `io_uring is refused: ${(error as Error).message}`
  }
})()

/** No plain object: what is in it is the engine's to change. */
class Count {
  inFlight = 0
  idle: (() => void) | undefined = undefined
}

const finish = (result: number) => result
const OPERATION = {
  syscall: 'nop',
  details: {},
  held: undefined,
  buffers: [alignedBuffer(8)],
  signal: undefined,
  finish,
  discard: () => {},
  moves: false,
  usage: new Count(),
}

/** Every method that is given something. What `prepare` must be is a function that writes an entry: there is no telling. */
function methodsOf(engine: Engine): Call[] {
  const move = [fd, alignedBuffer(8), 0, 8, 0, finish, undefined, new Count()]
  const link = 4
  return [
    { name: 'read', args: move, call: (...args: Parameters<Engine['read']>) => engine.read(...args) },
    { name: 'write', args: move, call: (...args: Parameters<Engine['write']>) => engine.write(...args) },
    { name: 'run', args: [OPERATION], call: (given: never) => engine.run(ring.prepareNop, given) },
    {
      name: 'chain',
      args: [OPERATION, link],
      call: (given: object, tie: number) =>
        Promise.all(engine.chain([{ ...OPERATION, ...given, prepare: ring.prepareNop }], tie)),
    },
    { name: 'chain', args: [[]], call: (chained: never) => Promise.all(engine.chain(chained, link)) },
    {
      name: 'multishot',
      args: [() => {}, undefined, false],
      call: (completion: never, held: unknown, background: boolean) =>
        new Promise<void>(resolve => {
          const seen = typeof completion === 'function' ? () => resolve() : completion
          engine.multishot(ring.prepareNop, seen, held, background)
        }),
    },
    { name: 'supports', args: [1], call: (operation: number) => engine.supports(operation) },
  ]
}

for (const driver of ['ring', 'epoll'] as const satisfies readonly DriverName[]) {
  test(`an engine answers wrong arguments with an error that has a code (${driver})`, {
    skip: driver === 'ring' && noRing,
  }, async () => {
    const engine = new Engine({ driver })
    await check(methodsOf(engine))
    assert.equal(engine.stats().inFlight, 0)
    assert.equal(await engine.run(ring.prepareNop, { syscall: 'nop' }), 0)
    await engine.close()
  })
}

test('what stands beside a ring answers wrong arguments with an error that has a code', {
  skip: noRing,
}, async () => {
  const methods: Record<string, readonly unknown[]> = {
    registerNapi: [{ busyPollUs: 0, prefer: false }],
    setClock: ['monotonic'],
    reap: [() => {}],
  }
  const calls = Object.entries(methods).map(([name, args]) => ({
    name,
    args,
    call: (...given: never[]) => {
      using mine = new ring.Ring({ entries: 4 })
      // Something is there to be handed out.
      ring.prepareNop(mine.submissions, 1)
      mine.submit(1)
      const method = mine[name as 'reap'] as unknown as (...list: never[]) => unknown
      method.apply(mine, given)
    },
  }))
  using receiver = new ring.Ring({ entries: 4, messages: true })
  await check([...calls, { name: 'sendMessage', args: [receiver.fd, 1, 1], call: ring.sendMessage }])
})

test('the page cache and adopted files answer wrong arguments with an error that has a code', async () => {
  const range = { offset: 0, length: 4096 }
  await check([
    { name: 'pageCache.stat', args: [fd, range], call: file.pageCache.stat },
    { name: 'pageCache.load', args: [fd, { ...range, signal: undefined }], call: file.pageCache.load },
    { name: 'pageCache.evict', args: [fd, { ...range, sync: true }], call: file.pageCache.evict },
    { name: 'pageCache.lock', args: [fd, range], call: file.pageCache.lock },
    {
      name: 'FileHandle.from',
      args: [fd, { own: false }],
      // It must not own what it is wrongly given.
      call: (source: file.FileSource, options: file.AdoptOptions) => {
        file.FileHandle.from(source, options?.own === true ? {} : options)
      },
    },
  ])
})

test('whatever takes a signal refuses what is none', async () => {
  const buffer = Buffer.alloc(8)
  const signal = undefined
  const handle = await file.open(path, 'r+')
  const options: Record<string, readonly unknown[]> = {
    read: [{ buffer, signal }],
    write: [buffer, { signal }],
    readFile: [{ signal }],
    writeFile: ['text', { signal }],
    appendFile: ['text', { signal }],
    stat: [{ signal }],
    stream: [{ signal }],
    writer: [{ signal }],
    readBatch: [[{ buffer, position: 0 }], { signal }],
    writeBatch: [[{ buffer, position: 0 }], { signal }],
    extents: [{ signal }],
    lock: [{ signal }],
  }
  const calls: Call[] = Object.entries(options).map(([name, args]) => ({
    name,
    args,
    call: (...given: never[]) =>
      (handle as unknown as Record<string, (...list: never[]) => unknown>)[name]?.(...given),
  }))
  await check([
    ...calls,
    {
      name: 'open',
      args: [path, 'r', { signal }],
      call: async (...args: never[]) => (await file.open(...(args as unknown as [string]))).close(),
    },
    { name: 'statBatch', args: [[path], { signal }], call: file.statBatch },
    { name: 'walk', args: [folder, { signal }], call: file.walk },
    { name: 'copyFile', args: [path, join(folder, 'copy'), { signal }], call: file.copyFile },
  ])
  await handle.close()
})

test('what watches answers wrong arguments with an error that has a code', async () => {
  await check([
    { name: 'fingerprint', args: [path], call: observe.fingerprint },
    { name: 'storageOf', args: [path], call: observe.storageOf },
    { name: 'residency', args: [fd, 0, 4096], call: observe.residency },
    {
      name: 'openMeter',
      args: [{ counters: false }],
      call: (options: observe.MeterOptions) => observe.openMeter(options).close(),
    },
  ])
})

/** What the faces offer and these files call wrongly, or that takes nothing. */
const CALLED: Readonly<Record<string, readonly string[]>> = {
  observe: [
    'ProcessIoFile',
    'cpuTimes',
    'fingerprint',
    'kernelThreads',
    'openMeter',
    'residency',
    'storageOf',
  ],
  file: [
    'AppendLog',
    'FileHandle',
    'MappedFile',
    'copyFile',
    'copyPaths',
    'copyTree',
    'open',
    'pageCache',
    'statBatch',
    'walk',
  ],
}

test('every function of these faces is among those that are called wrongly', () => {
  const faces = { observe, file }
  for (const [name, face] of Object.entries(faces)) {
    assert.deepEqual(Object.keys(face).sort(), [...(CALLED[name] ?? [])].sort(), name)
  }
  // Of `prepare*` and what changes an entry, src/ring/prepare/wrong-arguments.test.ts is about.
  const others = Object.keys(ring).filter(name => !/^prepare/.test(name) && /^[A-Z].*[a-z]|^sendM/.test(name))
  const known = ['BlockRing', 'BufferRing', 'CompletionQueue', 'Ring', 'SubmissionQueue', 'sendMessage']
  assert.deepEqual(others.sort(), known)
})
