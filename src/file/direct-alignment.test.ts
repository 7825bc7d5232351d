import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AT, PAGE_SIZE, S, STATX, StatxView, syscall } from '../kernel/index.js'
import { alignmentOf, offeredAlignment } from './direct-alignment.js'
import { scratchFolder } from './file.test.support.js'
import { open } from './index.js'

const path = join(scratchFolder(), 'file')
writeFileSync(path, Buffer.alloc(3 * PAGE_SIZE, 'x'))

/** Where the fields are that the kernel fills. @see statx(2) */
const FIELD = { MASK: 0, MODE: 28, SPECIAL: 128, DEVICE: 136, MEMORY_ALIGN: 152, OFFSET_ALIGN: 156 } as const

/** An answer of a kernel before 6.1, of a file on a device or of the device itself. */
function answer(field: 'SPECIAL' | 'DEVICE', major: number, minor: number): StatxView {
  const view = new StatxView()
  const words = new DataView(view.buffer)
  words.setUint32(FIELD.MASK, STATX.BASIC_STATS, true)
  words.setUint16(FIELD.MODE, field === 'SPECIAL' ? S.IFBLK : S.IFREG, true)
  words.setUint32(FIELD[field], major, true)
  words.setUint32(FIELD[field] + 4, minor, true)
  return view
}

test('a kernel that does not tell: the block of the device that the file is on, or that it is', t => {
  const view = new StatxView()
  const name = new TextEncoder().encode(`${path}\0`)
  assert.equal(syscall('statx', AT.FDCWD, name, 0, STATX.BASIC_STATS, view.buffer), 0)
  const { deviceMajor: major, deviceMinor: minor } = view
  const queue = `/sys/dev/block/${major}:${minor}/queue/logical_block_size`
  const disk = `/sys/dev/block/${major}:${minor}/../queue/logical_block_size`
  const told = [queue, disk].find(existsSync)
  if (told === undefined) return t.skip('the temporary folder is on no device')
  const block = Number(readFileSync(told, 'latin1'))
  for (const field of ['SPECIAL', 'DEVICE'] as const) {
    const { memory, offset } = alignmentOf(answer(field, major, minor))
    assert.deepEqual([memory, offset], [block, block])
  }
})

test('where there is no device to ask, a page will do', () => {
  const { memory, offset } = alignmentOf(answer('DEVICE', 0, 4_000_000))
  assert.deepEqual([memory, offset], [PAGE_SIZE, PAGE_SIZE])
})

test('a file system that does not offer it is believed', () => {
  const view = answer('DEVICE', 0, 1)
  const words = new DataView(view.buffer)
  words.setUint32(FIELD.MASK, STATX.BASIC_STATS | STATX.DIOALIGN, true)
  assert.throws(() => alignmentOf(view), { code: 'ERR_SLUICE_UNSUPPORTED' })
  assert.equal(offeredAlignment(view), undefined)
  words.setUint32(FIELD.MEMORY_ALIGN, 4, true)
  words.setUint32(FIELD.OFFSET_ALIGN, 512, true)
  assert.deepEqual(alignmentOf(view), { memory: 4, offset: 512, atomicMin: 0, atomicMax: 0 })
})

test('whatever the alignment comes from, the file can be read by it', async t => {
  const folder = '/dev/shm'
  const name = join(folder, `sluice-${process.pid}`)
  try {
    writeFileSync(name, Buffer.alloc(3 * PAGE_SIZE, 'y'))
  } catch (error) {
    return t.skip((error as Error).message)
  }
  t.after(() => rmSync(name))
  for (const each of [path, name]) {
    const opened = await open(each, 'r', { direct: true }).catch((error: NodeJS.ErrnoException) => error)
    if (opened instanceof Error) {
      assert.equal(opened.code, 'ERR_SLUICE_UNSUPPORTED')
      continue
    }
    assert.equal((await opened.readFile()).length, 3 * PAGE_SIZE)
    assert.equal((await opened.read(Buffer.alloc(10), 0, 10, PAGE_SIZE + 3)).bytesRead, 10)
    await opened.close()
  }
})
