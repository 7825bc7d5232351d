import assert from 'node:assert/strict'
import {
  type BigIntStats,
  Stats,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { open as openNode } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { scratchFolder } from './file.test.support.js'
import { open } from './index.js'

const folder = scratchFolder()
const file = join(folder, 'file')
writeFileSync(file, 'abc')
const early = join(folder, 'early')
writeFileSync(early, '')
utimesSync(early, -1.25, -86400.5)
const huge = join(folder, 'huge')
writeFileSync(huge, '')
truncateSync(huge, 2 ** 41 + 12345)
const link = join(folder, 'link')
symlinkSync(file, link)

const METHODS = [
  ...['isFile', 'isDirectory', 'isBlockDevice', 'isCharacterDevice', 'isSymbolicLink', 'isFIFO', 'isSocket'],
] as const
const DATES = ['atime', 'mtime', 'ctime', 'birthtime'] as const
type Either = Stats & BigIntStats

async function both(path: string, bigint: boolean): Promise<[Either, Either]> {
  const [node, ours] = await Promise.all([openNode(path), open(path)])
  try {
    const options = { bigint: bigint as true }
    return [(await node.stat(options)) as unknown as Either, (await ours.stat(options)) as unknown as Either]
  } finally {
    await Promise.all([node.close(), ours.close()])
  }
}

for (const bigint of [false, true]) {
  describe(bigint ? 'stats of BigInts are as Node gives them' : 'stats are as Node gives them', () => {
    for (const path of [file, early, huge, link, folder, '/dev/null', '/proc/self/status']) {
      test(path.replace(folder, 'folder'), async () => {
        const [expected, actual] = await both(path, bigint)
        for (const date of DATES) assert.deepEqual(actual[date], expected[date], date)
        // Whether a date that has been asked for is the object's own differs between Nodes.
        const isDate = (name: string) => (DATES as readonly string[]).includes(name)
        const entries = (stats: Either) => Object.entries(stats).filter(([name]) => !isDate(name))
        const fields = (stats: Either) => Object.fromEntries(entries(stats).sort())
        // What /proc makes up on the spot has the time of asking.
        if (!path.startsWith('/proc')) assert.deepEqual(fields(actual), fields(expected))
        else assert.deepEqual(Object.keys(fields(actual)), Object.keys(fields(expected)))
        for (const method of METHODS) {
          assert.equal((actual as never)[method] !== undefined, true)
          const ask = (stats: Either) => (stats as unknown as Record<string, () => boolean>)[method]?.()
          assert.equal(ask(actual), ask(expected), method)
        }
      })
    }
  })
}

test('stats are an fs.Stats', async () => {
  const [, actual] = await both(file, false)
  assert.ok(actual instanceof Stats)
  assert.equal(actual.constructor.name, 'Stats')
})

test('a date of stats can be set', async () => {
  const [, actual] = await both(file, false)
  const date = new Date(5)
  actual.mtime = date
  assert.equal(actual.mtime, date)
})

test('stats of BigInts know their times to the nanosecond, and Temporal does where there is one', async () => {
  const [expected, actual] = await both(file, true)
  assert.equal(actual.mtimeNs, expected.mtimeNs)
  if (!('Temporal' in globalThis)) return
  const instant = (stats: object) => String((stats as { mtimeInstant?: unknown }).mtimeInstant)
  assert.equal(instant(actual), instant(expected))
  const [plainExpected, plainActual] = await both(file, false)
  assert.equal(instant(plainActual), instant(plainExpected))
  assert.equal(instant(plainActual), instant(statSync(file)))
})
