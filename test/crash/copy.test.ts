import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

/** How often it is killed. More on request: `SLUICE_COPY_KILLS=1000`. */
const KILLS = Number(process.env.SLUICE_COPY_KILLS ?? 12)
const MIB = 2 ** 20
const PROGRAM = fileURLToPath(new URL('../../../dist/sluice.cjs', import.meta.url))

test('killed at any point, it leaves the old file or the new one under the final name, never half of one', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kill-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const at = (name: string) => join(folder, name)
  const large = Buffer.alloc(48 * MIB, 'new')
  mkdirSync(at('from'))
  writeFileSync(at('from/large'), large)
  for (let index = 0; index < 300; index++) writeFileSync(at(`from/${index}`), Buffer.alloc(5000, `${index}`))
  mkdirSync(at('to'))
  let unfinished = 0
  for (let kill = 0; kill < KILLS; kill++) {
    writeFileSync(at('to/large'), 'old')
    const child = spawn(process.execPath, [PROGRAM, 'cp', '-r', `${at('from')}/.`, at('to')], {
      stdio: 'inherit',
    })
    const exited = once(child, 'exit')
    // It has begun when a temporary name is there. The moment of the kill is what is random; nothing is waited for.
    while (child.exitCode === null && readdirSync(at('to')).length < 2) await new Promise(setImmediate)
    const timer = setTimeout(() => child.kill('SIGKILL'), Math.random() * 40)
    const [, signal] = await exited
    clearTimeout(timer)
    if (signal === 'SIGKILL') unfinished++
    const now = readFileSync(at('to/large'))
    assert.ok(
      now.equals(large) || now.toString('latin1', 0, 4) === 'old',
      'the large file is the old or the new',
    )
    for (let index = 0; index < 300; index++) {
      const path = at(`to/${index}`)
      if (existsSync(path)) assert.ok(readFileSync(path).equals(readFileSync(at(`from/${index}`))), path)
    }
    for (const name of readdirSync(at('to')))
      if (name !== 'large') rmSync(at(`to/${name}`), { recursive: true })
  }
  t.diagnostic(`${unfinished} of ${KILLS} were killed before their end`)
  assert.ok(unfinished > 0)
})
