import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { pageCache } from 'sluice/file'
import { cannotAccount, waitedTicks, withDelayAccounting } from '../helpers/delay-accounting.js'

/* A file that is not in memory is waited for by the kernel, or by another thread: never by the one that serves. */

/** Sizes that go out by different ways, and how many files of each. */
const SIZES = { small: [2000, 50], page: [32 << 10, 50], piece: [200_000, 50], large: [4 << 20, 8] } as const
const NAMES = Object.entries(SIZES).flatMap(([name, [, count]]) =>
  Array.from({ length: count }, (_, at) => `${name}-${at}`),
)
const TMPFS = 0x01021994

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-cold-'))
const inMemory = fs.statfsSync(folder).type === TMPFS && 'temporary files are in memory here'
const skip = cannotAccount() || inMemory
const fileOf = (name: string) => path.join(folder, name)

before(() => {
  if (skip) return
  for (const name of NAMES) {
    const [size] = SIZES[name.split('-')[0] as keyof typeof SIZES]
    fs.writeFileSync(fileOf(name), randomBytes(size))
  }
})

after(() => fs.rmSync(folder, { recursive: true }))

/** Has the page cache forget all of them. */
async function forget(): Promise<void> {
  for (const name of NAMES) {
    const fd = fs.openSync(fileOf(name), 'r')
    await pageCache.evict(fd, { sync: true })
    fs.closeSync(fd)
  }
}

function program(source: string): ChildProcess {
  const args = ['--input-type=module', '--eval', source]
  return spawn(process.execPath, args, { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] })
}

/** @returns what a thread waited that reads them itself */
async function waitedByReading(): Promise<number> {
  const child = program(`import { readFileSync } from 'node:fs'
    for (const name of ${JSON.stringify(NAMES)}) readFileSync(name)
    console.log('read'); process.stdin.resume()`)
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  const waited = waitedTicks(child.pid as number)
  child.kill('SIGKILL')
  return waited
}

/** @returns what the thread waited that served them, and the bytes that came */
async function waitedByServing(): Promise<{ waited: number; bytes: number }> {
  const child =
    program(`const { serve } = await import(${JSON.stringify(import.meta.resolve('#dist/http/index.js'))})
    const server = await serve({ root: '.', host: '127.0.0.1', port: 0 })
    console.log(server.port)`)
  const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data')
  const before = waitedTicks(child.pid as number)
  let bytes = 0
  for (let at = 0; at < NAMES.length; at += 16) {
    const replies = NAMES.slice(at, at + 16).map(name => fetch(`http://127.0.0.1:${Number(line)}/${name}`))
    for (const reply of replies) bytes += (await (await reply).arrayBuffer()).byteLength
  }
  const waited = waitedTicks(child.pid as number) - before
  child.kill('SIGKILL')
  return { waited, bytes }
}

test('the thread that serves cold files waits for no block device', { skip, timeout: 120_000 }, async t => {
  await withDelayAccounting(async () => {
    await forget()
    if ((await waitedByReading()) === 0) return t.skip('the disk is too quick for a wait to be counted')
    await forget()
    const { waited, bytes } = await waitedByServing()
    const expected = Object.values(SIZES).reduce((sum, [size, count]) => sum + size * count, 0)
    assert.deepEqual({ waited, bytes }, { waited: 0, bytes: expected })
  })
})
