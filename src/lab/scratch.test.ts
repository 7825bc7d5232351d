import assert from 'node:assert/strict'
import {
  chmodSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { LabFiles } from './files.js'
import { ScratchFile, scratchFolder } from './scratch.js'

const MIB = 2 ** 20
const folder = mkdtempSync(join(tmpdir(), 'sluice-scratch-'))
after(() => rmSync(folder, { recursive: true }))

test('a temporary file has no name from its beginning, so nothing is ever left behind', () => {
  const scratch = new ScratchFile(folder, 3 * MIB, 10_000)
  assert.deepEqual(readdirSync(folder), [])
  assert.equal(scratch.size, 3 * MIB)
  assert.equal(fstatSync(scratch.fd).size, 3 * MIB)
  assert.equal(fstatSync(scratch.fd).nlink, 0)
  scratch.close()
})

test('a temporary file is full of noise, different in every MiB', () => {
  const scratch = new ScratchFile(folder, 2 * MIB, 10_000)
  const blocks = [0, 1].map(index => {
    const block = Buffer.alloc(MIB)
    readSync(scratch.fd, block, 0, MIB, index * MIB)
    return block
  })
  scratch.close()
  assert.notDeepEqual(blocks[0], blocks[1])
  assert.ok(new Set(blocks[0]?.subarray(4096, 8192)).size > 200)
})

test('a device too slow for the whole file gets a smaller one', () => {
  const scratch = new ScratchFile(folder, 64 * MIB, 0)
  assert.equal(scratch.size, 16 * MIB)
  scratch.close()
})

test('temporary files are beside the file where that can be written', () => {
  const path = join(folder, 'data')
  writeFileSync(path, 'x')
  assert.equal(scratchFolder(MIB, path), folder)
  symlinkSync('/proc/version', join(folder, 'link'))
  assert.notEqual(scratchFolder(MIB, join(folder, 'link')), folder)
  rmSync(path)
  rmSync(join(folder, 'link'))
  assert.notEqual(scratchFolder(MIB, '/proc/version'), '/proc')
  assert.equal(scratchFolder(Number.MAX_SAFE_INTEGER), undefined)
})

test('a folder that may not be written to is not used', context => {
  if (process.geteuid?.() === 0) return context.skip('root may write anywhere')
  const closed = join(folder, 'closed')
  mkdirSync(closed)
  writeFileSync(join(closed, 'data'), 'x')
  chmodSync(closed, 0o555)
  assert.notEqual(scratchFolder(MIB, join(closed, 'data')), closed)
  chmodSync(closed, 0o755)
  return undefined
})

const wanted = { reads: true, writes: false, readBytes: MIB, writeBytes: MIB, timeMs: 1000 }

test('only a regular file with something in it can be read', () => {
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  const open = (file: string) => () => new LabFiles({ ...wanted, file })
  assert.throws(open(empty), { code: 'ERR_INVALID_ARG_VALUE', message: /is empty/ })
  assert.throws(open(folder), { code: 'ERR_INVALID_ARG_VALUE', message: /not a regular file/ })
  assert.throws(open(join(folder, 'nothing')), { code: 'ENOENT' })
})

test('only the files that are needed are made', () => {
  const path = join(folder, 'given')
  writeFileSync(path, new Uint8Array(5000))
  const given = new LabFiles({ ...wanted, file: path })
  assert.equal(given.read?.path, path)
  assert.equal(given.read?.bytes, 5000)
  assert.equal(given.write, undefined)
  given.close()
  const written = new LabFiles({ ...wanted, file: path, reads: false, writes: true })
  assert.equal(written.read, undefined)
  assert.equal(written.write?.bytes, MIB)
  written.close()
})
