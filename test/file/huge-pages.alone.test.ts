import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { MappedFile } from 'sluice/file'
import { Mapping } from 'sluice/memory'
import { cannotSet, withSetting } from '../helpers/kernel-setting.js'

const POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB'
const SETTING = join(POOL, 'nr_hugepages')
const HUGE = 2 ** 21
const PAGES = 4

const number = (name: string) => Number(readFileSync(join(POOL, name), 'latin1'))

test('huge pages that are reserved hold memory, and files that are made of them', {
  skip: existsSync(SETTING) ? cannotSet(SETTING) : 'this kernel has no pool of huge pages of 2 MiB',
}, async t => {
  const before = number('nr_hugepages')
  await withSetting(SETTING, before + PAGES, async () => {
    const free = number('free_hugepages')
    if (free < PAGES) return t.skip('memory is too scattered for huge pages')
    const memory = new Mapping({ length: HUGE + 100, hugePages: '2MiB' })
    assert.deepEqual([memory.pageSize, memory.length], [HUGE, HUGE + 100])
    memory.bytes.fill(7)
    assert.equal(number('free_hugepages'), free - 2)
    assert.equal(memory.resident(), HUGE + 100)
    memory.unmap()
    assert.equal(number('free_hugepages'), free)

    const point = mkdtempSync(join(tmpdir(), 'sluice-huge-'))
    t.after(() => rmdirSync(point))
    const { status, stderr } = spawnSync('mount', ['-t', 'hugetlbfs', '-o', 'pagesize=2M', 'none', point])
    if (status !== 0) return t.skip(`hugetlbfs cannot be mounted: ${stderr}`)
    try {
      const path = join(point, 'file')
      writeFileSync(path, '')
      truncateSync(path, 2 * HUGE)
      await using file = await MappedFile.open(path, { access: 'write', hugePages: '2MiB', offset: 100 })
      file.bytes[HUGE] = 5
      file.write(0, Buffer.from('huge'))
      await file.resize(HUGE)
      assert.deepEqual([file.length, file.bytes[3]], [HUGE - 100, 'e'.charCodeAt(0)])
      await using again = await MappedFile.open(path, { hugePages: '2MiB' })
      assert.equal(Buffer.from(again.bytes.subarray(100, 104)).toString(), 'huge')
      await assert.rejects(MappedFile.open(import.meta.filename, { hugePages: '2MiB' }), { code: 'EINVAL' })
    } finally {
      spawnSync('umount', [point])
    }
    assert.equal(number('free_hugepages'), free)
  })
  assert.equal(number('nr_hugepages'), before)
})
