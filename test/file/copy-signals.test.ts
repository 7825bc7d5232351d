import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { hasOpen, isFull, scratch, until } from '#dist/file/copy/copy.test.support.js'
import { O } from '#dist/kernel/index.js'

const MAIN = fileURLToPath(import.meta.resolve('#dist/cli/main.js'))

for (const [signal, expected, waits] of [
  ['SIGINT', 130, 'for a reader'],
  ['SIGTERM', 143, 'for room'],
] as const) {
  test(`${signal} ends a copy into a FIFO that waits ${waits}`, async t => {
    const folder = scratch(t)
    const at = (name: string) => join(folder, name)
    writeFileSync(at('file'), Buffer.alloc(500_000, 'x'))
    execFileSync('mkfifo', [at('fifo')])
    const reader = waits === 'for room' ? openSync(at('fifo'), O.RDONLY | O.NONBLOCK) : undefined
    const child = spawn(process.execPath, [MAIN, 'cp', at('file'), at('fifo')], { stdio: 'ignore' })
    const exited = once(child, 'exit')
    await until(() => (reader === undefined ? hasOpen(child.pid as number, at('file')) : isFull(reader)))
    child.kill(signal)
    assert.deepEqual(await exited, [expected, null])
    if (reader !== undefined) closeSync(reader)
    assert.deepEqual(readdirSync(folder).sort(), ['fifo', 'file'])
  })
}
