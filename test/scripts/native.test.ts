import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { ensureDebianPackages } from '#scripts/setup.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const { FLAGS } = await import(join(root, 'scripts/native.js'))
const { SANITIZED } = await import(join(root, 'scripts/test-passes.js'))
const { listFiles } = await import(join(root, 'scripts/build.js'))

const sources = readdirSync(join(root, 'native')).filter(name => name.endsWith('.c'))
/** The field of an ELF header that names the processor, and what stands there. */
const ELF_MACHINE = { at: 18, arm64: 183 }
const CROSS = ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross']

test('tests reach every file of the C under the sanitizers', () => {
  assert.deepEqual(Object.keys(SANITIZED).sort(), sources.sort())
  const tests = ['dist', 'build/test'].flatMap(folder =>
    listFiles(join(root, folder), '.test.js').map((name: string) => `${folder}/${name}`),
  )
  for (const [source, pattern] of Object.entries<RegExp>(SANITIZED)) {
    assert.ok(
      tests.some(file => pattern.test(file)),
      `no test is there for ${source}`,
    )
  }
})

test('the C builds for arm64, without a warning', async t => {
  if (!(await ensureDebianPackages(CROSS)))
    return t.skip(`the Debian packages ${CROSS.join(', ')} are missing`)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-arm64-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const output = join(folder, 'sluice.node')
  const args = [...FLAGS, ...sources.map(name => `native/${name}`), '-o', output]
  const { status, stderr } = spawnSync('aarch64-linux-gnu-gcc', args, { cwd: root, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  assert.equal(readFileSync(output).readUInt16LE(ELF_MACHINE.at), ELF_MACHINE.arm64)
  return undefined
})
