import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { SyscallName } from '#dist/kernel/index.js'
import { refusedProcess } from '../helpers/refused-process.js'

// What a file system does not do, refused by a filter: it takes no such file system, and no rights.

const PROGRAM = fileURLToPath(new URL('../../../dist/sluice.cjs', import.meta.url))
const isRoot = process.geteuid?.() === 0

/** A folder with a tree in it. */
function scratch(t: TestContext): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-refused-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const at = (name: string) => join(folder, name)
  mkdirSync(at('from/inner/deep'), { recursive: true })
  for (let index = 0; index < 40; index++) writeFileSync(at(`from/inner/${index}`), `file ${index}`)
  writeFileSync(at('from/large'), Buffer.alloc(300_000, 'large'))
  symlinkSync('large', at('from/link'))
  return at
}

/** Runs `sluice cp` where calls are answered with an error. */
function cp(code: string, calls: SyscallName[], ...operands: string[]) {
  const { args, env } = refusedProcess({ code, calls })
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...args, PROGRAM, 'cp', '--json', ...operands],
    { encoding: 'utf8', env },
  )
  return { status, stderr, report: JSON.parse(stdout) }
}

for (const code of ['EINVAL', 'ENOSYS', 'EOPNOTSUPP']) {
  test(`a new folder gets its name where renameat2 answers ${code}`, t => {
    const at = scratch(t)
    const { status, report } = cp(code, ['renameat2'], '-r', at('from'), at('to'))
    assert.deepEqual([status, report.failures], [0, []])
    execFileSync('diff', ['--recursive', '--no-dereference', at('from'), at('to')])
    assert.deepEqual(readdirSync(at('.')).sort(), ['from', 'to'])
  })
}

for (const [code, call] of [
  ['EPERM', 'utimensat'],
  ['EPERM', 'fchmod'],
  ['EIO', 'flistxattr'],
] as const) {
  test(`where ${call} fails, all is copied, and each failure is told`, t => {
    const at = scratch(t)
    const { status, report, stderr } = cp(code, [call], '-a', at('from'), at('to'))
    assert.equal(status, 1)
    execFileSync('diff', ['--recursive', '--no-dereference', at('from'), at('to')])
    const codes = new Set(report.failures.map(({ code: each }: { code: string }) => each))
    assert.deepEqual([...codes], [code])
    const paths = report.failures.map(({ path }: { path: string }) => path)
    for (const name of ['from', 'from/inner', 'from/inner/7', 'from/large'])
      assert.ok(paths.includes(at(name)))
    assert.match(stderr, new RegExp(`^sluice cp: ${at('from')}: ${code}: `, 'm'))
    assert.deepEqual(readdirSync(at('.')).sort(), ['from', 'to'])
    // Into a folder that is there, by a temporary name each.
    writeFileSync(at('to/inner/7'), 'old')
    assert.equal(cp(code, [call], '-a', `${at('from')}/.`, at('to')).status, 1)
    execFileSync('diff', ['--recursive', '--no-dereference', at('from'), at('to')])
  })
}

test('what cannot be given to its owner is copied without the rights that come with it', {
  skip: !isRoot && 'only root can give a file away',
}, t => {
  const at = scratch(t)
  for (const name of ['from/inner/1', 'from/large']) {
    chownSync(at(name), 1234, 1234)
    chmodSync(at(name), 0o6755)
  }
  for (const code of ['EPERM', 'EINVAL']) {
    const { status, report } = cp(code, ['fchown'], '-a', at('from'), at('to'))
    assert.equal(status, 1)
    assert.deepEqual(report.failures.map(({ path }: { path: string }) => path).sort(), [
      at('from/inner/1'),
      at('from/large'),
    ])
    for (const name of ['inner/1', 'large']) {
      assert.ok(readFileSync(at(`to/${name}`)).equals(readFileSync(at(`from/${name}`))))
      assert.equal(statSync(at(`to/${name}`)).mode & 0o7777, 0o755)
    }
    rmSync(at('to'), { recursive: true })
  }
})
