import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type EitherHandle,
  NODE_FAULTS,
  outcome,
  patternBytes,
  scratchFolder,
  show,
  withBoth,
} from './file.test.support.js'

/** One step of a sequence, as data, so that a failure prints what led to it. */
interface Step {
  kind: string
  position: number | null
  offset: number
  length: number
  parts: number[]
  seed: number
}

const MOST = 9000
const folder = scratchFolder()
let count = 0

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(
    ...['read', 'read', 'readOptions', 'readv', 'write', 'write', 'writeOptions', 'writev', 'writeText'],
    ...['truncate', 'stat', 'readFile', 'writeFile', 'appendFile', 'sync', 'readsAtOnce', 'writesAtOnce'],
  ),
  position: fc.option(fc.integer({ min: -1, max: MOST }), { nil: null }),
  offset: fc.integer({ min: 0, max: 40 }),
  length: fc.oneof(fc.integer({ min: 0, max: 64 }), fc.integer({ min: 0, max: MOST })),
  parts: fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 5 }),
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
})

type Action = (file: EitherHandle, step: Step) => unknown

const room = ({ offset, length }: Step) => Buffer.alloc(offset + length, 0xee)
const bytes = ({ offset, length, seed }: Step) => patternBytes(offset + length, seed)

const ACTIONS: Record<string, Action> = {
  read: (file, s) => file.read(room(s), s.offset, s.length, s.position),
  readOptions: (file, s) => file.read(room(s), { offset: s.offset, position: s.position }),
  readv: (file, s) =>
    s.parts.length === 0 && NODE_FAULTS['no vectors'] !== undefined
      ? undefined
      : file.readv(
          s.parts.map(part => Buffer.alloc(part)),
          s.position ?? undefined,
        ),
  write: (file, s) => file.write(bytes(s), s.offset, s.length, s.position),
  writeOptions: (file, s) => file.write(bytes(s), { length: s.length, position: s.position }),
  writev: (file, s) =>
    file.writev(
      s.parts.map(part => patternBytes(part, s.seed)),
      s.position ?? undefined,
    ),
  writeText: (file, s) => file.write(bytes(s).toString('latin1'), s.position, 'latin1'),
  truncate: (file, s) => file.truncate(s.length),
  stat: async file => (await file.stat()).size,
  readFile: file => file.readFile(),
  writeFile: (file, s) => file.writeFile(bytes(s)),
  appendFile: (file, s) => file.appendFile(bytes(s).toString('hex'), 'hex'),
  sync: file => file.datasync(),
  readsAtOnce: (file, s) =>
    Promise.all(s.parts.map((part, n) => file.read(Buffer.alloc(part + 1), 0, part + 1, n * 500 + s.offset))),
  // Side by side, not one over the other: what comes of that is not defined.
  writesAtOnce: (file, s) =>
    Promise.all(s.parts.map((part, n) => file.write(patternBytes(part + 1, s.seed), 0, part + 1, n * 701))),
}

async function sameOnBoth(flags: string, all: Step[]): Promise<void> {
  // Appends at once land in whatever order Node's threads take them.
  const steps = all.filter(each => !flags.startsWith('a') || each.kind !== 'writesAtOnce')
  const paths = [join(folder, `node-${++count}`), join(folder, `ours-${count}`)] as const
  for (const path of paths) writeFileSync(path, patternBytes(5000))
  await withBoth(paths, flags, async (node, ours) => {
    for (const [index, each] of steps.entries()) {
      const action = ACTIONS[each.kind] as Action
      const expected = await outcome(() => action(node, each))
      const actual = await outcome(() => action(ours, each))
      assert.deepEqual(actual, expected, `step ${index}: ${show(each)}`)
    }
  })
  assert.deepEqual(readFileSync(paths[1]), readFileSync(paths[0]), 'the files differ afterwards')
}

for (const flags of ['r+', 'a+', 'w+', 'r']) {
  test(`a random sequence of operations gives what it gives in Node, opened with ${flags}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), steps => sameOnBoth(flags, steps)),
      { numRuns: 60 },
    )
  })
}
