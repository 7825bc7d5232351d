import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, readdirSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { systemError } from '../../kernel/index.js'
import { bytesIn, countDescriptors, openWriter, scratch, until } from './copy.test.support.js'
import { copyFile, copyTree } from './index.js'

/** Fails as the caller's function may: also with what looks like the failure of a file. */
const THROWN: readonly [string, Error][] = [
  ['an error', new Error('of its own')],
  ['a system error', systemError(-28, 'write')],
]

for (const [what, thrown] of THROWN) {
  const fail = () => {
    throw thrown
  }

  for (const [way, options] of [
    ['by the dozen', {}],
    ['with care', { preserve: true }],
    ['one by one', { via: 'ring' }],
  ] as const) {
    test(`${what} of onCopied ends a copy ${way}: the copy rejects with it, and leaves nothing`, async t => {
      const folder = scratch(t)
      const at = (name: string) => join(folder, name)
      mkdirSync(at('from/inner'), { recursive: true })
      for (let index = 0; index < 80; index++) writeFileSync(at(`from/inner/${index}`), 'contents')
      await copyTree(at('from'), at('warm'), options)
      const before = countDescriptors()
      let calls = 0
      const onCopied = () => {
        calls++
        fail()
      }
      await assert.rejects(
        copyTree(at('from'), at('to'), { ...options, onCopied }),
        error => error === thrown,
      )
      assert.equal(calls, 1)
      assert.equal(countDescriptors(), before)
      assert.deepEqual(readdirSync(folder).sort(), ['from', 'warm'])
      // Into folders that are there, it goes by temporary names.
      await assert.rejects(
        copyTree(at('from'), at('warm'), { ...options, onCopied }),
        error => error === thrown,
      )
      assert.equal(calls, 2)
      assert.equal(countDescriptors(), before)
      assert.equal(readdirSync(at('warm/inner')).length, 80)
    })
  }

  test(`${what} of onProgress ends the copy of a FIFO whose writer stays`, async t => {
    const folder = scratch(t)
    const at = (name: string) => join(folder, name)
    execFileSync('mkfifo', [at('fifo')])
    await copyFile('/dev/null', at('nothing'))
    const before = countDescriptors()
    const rejected = assert.rejects(
      copyFile(at('fifo'), at('file'), { onProgress: fail }),
      error => error === thrown,
    )
    const writer = await openWriter(at('fifo'))
    // Progress is told when the next piece has come.
    writeSync(writer, 'x')
    await until(() => bytesIn(writer) === 0)
    writeSync(writer, 'y')
    await rejected
    closeSync(writer)
    assert.equal(countDescriptors(), before)
    assert.deepEqual(readdirSync(folder).sort(), ['fifo', 'nothing'])
  })
}

test('an abort tells what could not be removed, and removes the rest', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  mkdirSync(at('from/inner'), { recursive: true })
  mkdirSync(at('place'))
  writeFileSync(at('from/inner/file'), 'contents')
  const controller = new AbortController()
  const onCopied = () => {
    renameSync(at('place'), at('moved'))
    // No folder: nothing is to be found below it.
    writeFileSync(at('place'), '')
    controller.abort()
  }
  const copied = copyTree(at('from'), at('place/new'), { signal: controller.signal, onCopied })
  await assert.rejects(copied, ({ name, cause }: Error) => {
    assert.equal(name, 'AbortError')
    assert.ok(cause instanceof AggregateError)
    assert.deepEqual(
      cause.errors.map(({ code }) => code),
      ['ENOTDIR'],
    )
    return true
  })
})

test('what can be listened to as to an AbortSignal ends a copy, and is not listened to after it', async t => {
  const folder = scratch(t)
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const controller = new AbortController()
  const real = controller.signal
  const listeners = new Set<unknown>()
  const like = {
    get aborted() {
      return real.aborted
    },
    addEventListener: (type: 'abort', listener: () => void) => {
      listeners.add(listener)
      real.addEventListener(type, listener)
    },
    removeEventListener: (type: 'abort', listener: () => void) => {
      listeners.delete(listener)
      real.removeEventListener(type, listener)
    },
  }
  const options = { signal: like as unknown as AbortSignal }
  const rejected = assert.rejects(copyFile(fifo, join(folder, 'file'), options), { name: 'AbortError' })
  const writer = await openWriter(fifo)
  await until(() => listeners.size === 1)
  controller.abort()
  await rejected
  closeSync(writer)
  assert.equal(listeners.size, 0)
  assert.deepEqual(readdirSync(folder), ['fifo'])
})
