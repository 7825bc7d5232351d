import assert from 'node:assert/strict'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { errnoName, pathBytes, syscall } from '../../kernel/index.js'
import { picture, scratch } from './copy.test.support.js'
import { copyFile, copyTree } from './index.js'

test('a folder whose name is taken meanwhile is told, and leaves nothing', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  mkdirSync(at('from/inner'), { recursive: true })
  for (let index = 0; index < 100; index++) writeFileSync(at(`from/inner/${index}`), `${index}`)
  chmodSync(at('from/inner'), 0o555)
  const { failures } = await copyTree(at('from'), at('to'), {
    preserve: true,
    onProgress: () => {
      mkdirSync(at('to/mine'), { recursive: true })
    },
  })
  assert.deepEqual(
    failures.map(({ path, dest, error }) => [path, dest, error.code]),
    [[at('from'), at('to'), 'EEXIST']],
  )
  assert.deepEqual(readdirSync(folder).sort(), ['from', 'to'])
  assert.deepEqual(readdirSync(at('to')), ['mine'])
})

test('new folders keep the group of the folder that they are made in, where that is asked for', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  mkdirSync(at('from/inner'), { recursive: true })
  writeFileSync(at('from/inner/file'), 'file')
  mkdirSync(at('shared'))
  chmodSync(at('shared'), 0o2775)
  if ((statSync(at('shared')).mode & 0o2000) === 0) return t.skip('this user may not set the bit')
  await copyTree(at('from'), at('shared/plain'))
  for (const name of ['shared/plain', 'shared/plain/inner']) {
    assert.equal(statSync(at(name)).mode & 0o2000, 0o2000, name)
  }
  await copyTree(at('from'), at('shared/exact'), { preserve: true })
  assert.deepEqual(picture(at('shared/exact'), true), picture(at('from'), true))
  assert.equal(readFileSync(at('shared/exact/inner/file'), 'utf8'), 'file')
})

/** An access control list as the kernel takes it: version 2, then tag, rights and number of each entry. */
function accessList(...entries: [tag: number, rights: number, id?: number][]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 + 8 * entries.length))
  view.setUint32(0, 2, true)
  for (const [index, [tag, rights, id = 0xffffffff]] of entries.entries()) {
    view.setUint16(4 + 8 * index, tag, true)
    view.setUint16(6 + 8 * index, rights, true)
    view.setUint32(8 + 8 * index, id, true)
  }
  return new Uint8Array(view.buffer)
}

function attributeOf(path: string, name: string): Buffer {
  const bytes = Buffer.from(new ArrayBuffer(1024))
  const length = syscall('getxattr', pathBytes(path), pathBytes(name), bytes, bytes.length)
  return bytes.subarray(0, Math.max(0, length))
}

for (const [what, name, bytes, needsRoot] of [
  [
    'access control lists',
    'system.posix_acl_access',
    accessList([0x01, 6], [0x02, 4, 1234], [0x04, 4], [0x10, 4], [0x20, 0]),
    false,
  ],
  // Version 2, effective; permitted is CAP_NET_BIND_SERVICE.
  [
    'capabilities',
    'security.capability',
    new Uint8Array(Uint32Array.of(0x02000001, 1 << 10, 0, 0, 0).buffer),
    true,
  ],
] as const) {
  test(`with preserve ${what} are kept, and without they are not`, {
    skip: needsRoot && process.geteuid?.() !== 0 && 'only root can set them',
  }, async t => {
    const folder = scratch(t)
    const at = (file: string) => join(folder, file)
    mkdirSync(at('from'))
    for (const file of ['small', 'large']) {
      writeFileSync(at(`from/${file}`), Buffer.alloc(file === 'small' ? 10 : 200_000, file))
      const result = syscall(
        'setxattr',
        pathBytes(at(`from/${file}`)),
        pathBytes(name),
        bytes,
        bytes.length,
        0,
      )
      if (result < 0) return t.skip(`they cannot be set here: ${errnoName(result)}`)
    }
    const expected = attributeOf(at('from/small'), name)
    assert.ok(expected.length > 0)
    await copyTree(at('from'), at('kept'), { preserve: true })
    await copyTree(at('from'), at('plain'))
    for (const file of ['small', 'large']) {
      assert.deepEqual(attributeOf(at(`kept/${file}`), name), expected)
      assert.equal(attributeOf(at(`plain/${file}`), name).length, 0)
    }
  })
}

/** Programs that run as root whoever starts them, and that everybody may read. */
const OTHERS = ['/usr/bin/passwd', '/usr/bin/su', '/usr/bin/mount'].find(path => {
  const stat = statSync(path, { throwIfNoEntry: false })
  return stat !== undefined && stat.uid === 0 && (stat.mode & 0o4004) === 0o4004
})

test('a program that runs as somebody else does not run as whoever has copied it', {
  skip:
    (process.geteuid?.() === 0 && 'root keeps the owner') ||
    (OTHERS === undefined && 'there is no such program'),
}, async t => {
  const copy = join(scratch(t), 'copy')
  await copyFile(OTHERS as string, copy, { preserve: true })
  assert.equal(statSync(copy).mode & 0o7777, statSync(OTHERS as string).mode & 0o777)
})

test('options that cannot be are refused by their names', async () => {
  const refused = [
    [{ overwrite: 'sometimes' }, 'ERR_INVALID_ARG_VALUE'],
    [{ oneFileSystem: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ onCopied: 'tell' }, 'ERR_INVALID_ARG_TYPE'],
  ] as const
  for (const [options, code] of refused) {
    await assert.rejects(copyTree('from', 'to', options as object), {
      code,
      message: new RegExp(Object.keys(options)[0]),
    })
  }
})

test('whatever the options, each thing copied is told once, by both paths', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  mkdirSync(at('from/inner'), { recursive: true })
  for (let index = 0; index < 40; index++) writeFileSync(at(`from/inner/${index}`), `${index}`)
  writeFileSync(at('from/large'), Buffer.alloc(100_000))
  symlinkSync('large', at('from/link'))
  linkSync(at('from/large'), at('from/other'))
  const names = [
    '',
    '/inner',
    '/large',
    '/link',
    '/other',
    ...Array.from({ length: 40 }, (_, i) => `/inner/${i}`),
  ]
  for (const options of [{}, { preserve: true }, { via: 'ring' }, { overwrite: 'older' }] as const) {
    for (const to of ['new', 'there']) {
      const told: [string, string][] = []
      mkdirSync(at('there'), { recursive: true })
      await copyTree(at('from'), at(to), { ...options, onCopied: (...paths) => told.push(paths) })
      assert.deepEqual(told.sort(), names.map(name => [at(`from${name}`), at(`${to}${name}`)]).sort())
      rmSync(at(to), { recursive: true })
    }
  }
})
