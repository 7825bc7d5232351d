import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'
import { countDescriptors, extentsOf, makeSparse, pattern, scratch } from './copy.test.support.js'
import { copyFile } from './index.js'

const WAYS = [undefined, 'copy_file_range', 'map', 'ring'] as const

test('a copy has every byte, whatever the size and the way', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  for (const size of [0, 1, 4095, 4096, 4097, 32767, 32768, 65536, 1_048_577, 9_000_001]) {
    const bytes = pattern(size)
    writeFileSync(from, bytes)
    for (const via of WAYS) {
      const result = await copyFile(from, to, via === undefined ? {} : { via })
      assert.equal(result.bytes, size)
      assert.ok(readFileSync(to).equals(bytes), `${size} bytes, ${via}`)
      if (via !== undefined && size > 0) assert.equal(result.via, via)
    }
  }
  assert.deepEqual(readdirSync(folder).sort(), ['from', 'to'])
})

test('a file larger than one step is copied whole', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const piece = pattern(1 << 20)
  for (let index = 0; index < 131; index++) {
    piece.writeUInt32LE(index)
    writeFileSync(from, piece, { flag: 'a' })
  }
  writeFileSync(from, 'the end', { flag: 'a' })
  for (const via of ['copy_file_range', 'map', 'ring'] as const) {
    const seen: number[] = []
    await copyFile(from, to, { via, onProgress: ({ bytes }) => seen.push(bytes) })
    assert.ok(readFileSync(to).equals(readFileSync(from)), via)
    assert.deepEqual(
      seen,
      seen.toSorted((one, other) => one - other),
    )
    // After each step, of which a mapping's is the longest; more often only where it takes its time.
    assert.ok(seen.length >= 2, `${via}: ${seen}`)
  }
})

test('holes stay holes, at the beginning, in between, and at the end', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const shapes: [number, [number, number][]][] = [
    [1 << 20, []],
    [1 << 20, [[0, 10]]],
    [1 << 20, [[(1 << 20) - 100, 100]]],
    [
      3_000_000,
      [
        [65536, 5000],
        [1 << 20, 300_000],
      ],
    ],
    [50_000_000, [[33_456_789, 1000]]],
    [10_000, [[8192, 1]]],
  ]
  for (const [size, data] of shapes) {
    makeSparse(from, size, data)
    for (const via of WAYS) {
      const { bytes } = await copyFile(from, to, via === undefined ? {} : { via })
      assert.equal(bytes, size)
      assert.equal(statSync(to).size, size)
      assert.deepEqual(extentsOf(to), extentsOf(from), `${size}, ${via}`)
      execFileSync('cmp', [from, to])
    }
  }
})

test('what tells no size is read to its end', async t => {
  const to = join(scratch(t), 'to')
  const { bytes } = await copyFile('/proc/self/maps', to)
  assert.ok(bytes > 1000)
  assert.match(readFileSync(to, 'latin1'), /\[stack\]\n/)
  assert.equal(statSync(to).size, bytes)
})

test('paths are strings, bytes or URLs, and names need not be UTF-8', async t => {
  const folder = scratch(t)
  const from = join(folder, 'from')
  writeFileSync(from, 'contents')
  const strange = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe, 0x41])])
  await copyFile(pathToFileURL(from), strange)
  assert.equal(readFileSync(strange, 'utf8'), 'contents')
  await copyFile(strange, join(folder, 'back'))
  assert.equal(readFileSync(join(folder, 'back'), 'utf8'), 'contents')
})

test('a file that is there is replaced: its other names keep what they had', async t => {
  const folder = scratch(t)
  const [from, to, other] = ['from', 'to', 'other'].map(name => join(folder, name))
  writeFileSync(from, 'new')
  writeFileSync(to, 'old contents')
  linkSync(to, other)
  await copyFile(from, to)
  assert.equal(readFileSync(to, 'utf8'), 'new')
  assert.equal(readFileSync(other, 'utf8'), 'old contents')
})

test('links are followed on both sides', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  writeFileSync(at('from'), 'new')
  writeFileSync(at('to'), 'old')
  symlinkSync('from', at('from-link'))
  symlinkSync('to', at('to-link'))
  await copyFile(at('from-link'), at('to-link'))
  assert.equal(readFileSync(at('to'), 'utf8'), 'new')
  assert.ok(lstatSync(at('to-link')).isSymbolicLink())
  symlinkSync('nowhere', at('dangling'))
  await assert.rejects(copyFile(at('from'), at('dangling')), { code: 'ENOENT' })
})

test('what is no regular file is written to, not replaced', async t => {
  const folder = scratch(t)
  const from = join(folder, 'from')
  writeFileSync(from, pattern(300_000))
  const { bytes, via } = await copyFile(from, '/dev/null')
  assert.deepEqual([bytes, via], [300_000, 'ring'])
  assert.ok(lstatSync('/dev/null').isCharacterDevice())
})

test('permissions are those of the file, less the umask, and never more', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const umask = process.umask(0o027)
  t.after(() => process.umask(umask))
  writeFileSync(from, 'contents')
  for (const mode of [0o600, 0o644, 0o666, 0o755, 0o444, 0o4755]) {
    chmodSync(from, mode)
    await copyFile(from, to)
    assert.equal(statSync(to).mode & 0o7777, mode & 0o777 & ~0o027, mode.toString(8))
  }
})

test('what cannot be copied is told with both paths, and nothing is left behind', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  writeFileSync(at('file'), 'contents')
  mkdirSync(at('folder'))
  linkSync(at('file'), at('same'))
  const cases: [string, string, string][] = [
    ['absent', 'to', 'ENOENT'],
    ['folder', 'to', 'EISDIR'],
    ['file', 'folder', 'EISDIR'],
    ['file', 'file', 'EINVAL'],
    ['file', 'same', 'EINVAL'],
    ['file', 'absent/to', 'ENOENT'],
    ['file', 'file/to', 'ENOTDIR'],
  ]
  for (const [from, to, code] of cases) {
    const expected = { code, path: at(from), dest: at(to) }
    await assert.rejects(copyFile(at(from), at(to)), expected, `${from} to ${to}`)
  }
  assert.deepEqual(readdirSync(folder).sort(), ['file', 'folder', 'same'])
})

test('no descriptor is left open', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  writeFileSync(from, pattern(100_000))
  await copyFile(from, to)
  const before = countDescriptors()
  for (let index = 0; index < 20; index++) {
    await copyFile(from, to)
    await assert.rejects(copyFile(join(folder, 'absent'), to), { code: 'ENOENT' })
    await assert.rejects(copyFile(from, join(folder, 'absent', 'to')), { code: 'ENOENT' })
  }
  assert.equal(countDescriptors(), before)
})

test('an aborted copy leaves nothing under the final name, nor under another', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  writeFileSync(from, '')
  truncateSync(from, 300 << 20)
  writeFileSync(to, 'old')
  for (const via of ['copy_file_range', 'map', 'ring'] as const) {
    // Not sparse to the copy: every byte of it is asked for.
    writeFileSync(from, pattern(130 << 20))
    const controller = new AbortController()
    const copied = copyFile(from, to, {
      via,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    })
    await assert.rejects(copied, { name: 'AbortError', cause: new Error('enough') }, via)
    assert.equal(readFileSync(to, 'utf8'), 'old')
    assert.deepEqual(readdirSync(folder).sort(), ['from', 'to'])
  }
  await assert.rejects(copyFile(from, join(folder, 'never'), { signal: AbortSignal.abort() }), {
    name: 'AbortError',
  })
  assert.ok(!existsSync(join(folder, 'never')))
})

test('a source that becomes shorter while it is copied is copied as far as it goes', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  for (const via of ['copy_file_range', 'map', 'ring'] as const) {
    writeFileSync(from, pattern(130 << 20))
    let cut = false
    const { bytes } = await copyFile(from, to, {
      via,
      onProgress: () => {
        if (!cut) truncateSync(from, 100_000_000)
        cut = true
      },
    })
    assert.ok(bytes <= 130 << 20 && bytes >= 64 << 20, via)
    assert.equal(statSync(to).size, bytes)
    const copy = readFileSync(to)
    assert.ok(copy.subarray(0, 60_000_000).equals(pattern(130 << 20).subarray(0, 60_000_000)))
  }
})

test('options are checked', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  writeFileSync(from, '')
  const bad = [
    { preserve: 1 },
    { reflink: 'sometimes' },
    { via: 'magic' },
    { signal: {} },
    { onProgress: 1 },
    null,
  ]
  for (const options of bad) {
    await assert.rejects(copyFile(from, to, options as object), { code: /^ERR_INVALID_ARG/ })
  }
  await assert.rejects(copyFile(7 as unknown as string, to), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(copyFile(from, 'a\0b'), { code: 'ERR_INVALID_ARG_VALUE' })
})
