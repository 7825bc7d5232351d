import assert from 'node:assert/strict'
import { constants } from 'node:buffer'
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { PAGE_SIZE } from '../kernel/index.js'
import { Mapping, type MappingAdvice, type MappingOptions, pin, regionOf, unpin } from './index.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-mapping-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const contents = Uint8Array.from(
  { length: 5 * PAGE_SIZE + 123 },
  (_, index) => (index * 31 + (index >> 8)) & 0xff,
)
const path = join(folder, 'contents')
writeFileSync(path, contents)

function withFile<T>(flags: string, use: (fd: number) => T, name = path): T {
  const fd = openSync(name, flags)
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function fresh(name: string, bytes: Uint8Array = contents): string {
  const file = join(folder, name)
  writeFileSync(file, bytes)
  return file
}

/** How many mappings of a file this process has. */
function mappingsOf(file: string): number {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter(line => line.endsWith(file)).length
}

test('any range of a file is seen as it is', () => {
  withFile('r', fd => {
    const size = contents.length
    fc.assert(
      fc.property(fc.nat(size - 1), fc.nat(size), (offset, wanted) => {
        const length = Math.max(1, Math.min(wanted, size - offset))
        using mapping = new Mapping({ file: fd, offset, length })
        assert.equal(mapping.length, length)
        assert.deepEqual(Buffer.from(mapping.bytes), Buffer.from(contents.subarray(offset, offset + length)))
      }),
      { numRuns: 100 },
    )
  })
})

test('without a range it is the whole file, which may be closed; a FileHandle will do', async () => {
  const handle = await open(path)
  const mapping = new Mapping({ file: handle })
  await handle.close()
  assert.deepEqual(Buffer.from(mapping.bytes), Buffer.from(contents))
  mapping.unmap()
})

test('an offset beyond 4 GiB reaches its bytes', () => {
  const file = join(folder, 'sparse')
  withFile(
    'w+',
    fd => {
      const offset = 5 * 2 ** 30 + 77
      ftruncateSync(fd, 6 * 2 ** 30)
      writeSync(fd, 'far away', offset)
      using mapping = new Mapping({ file: fd, offset, length: 8 })
      assert.equal(Buffer.from(mapping.bytes).toString(), 'far away')
      const half = new Mapping({ file: fd, offset: 3 * 2 ** 30, length: 2 ** 31 + 77 + 8 })
      assert.equal(Buffer.from(half.bytes.subarray(-8)).toString(), 'far away')
      half.unmap()
    },
    file,
  )
  rmSync(file)
})

test('writes to a shared mapping reach the file', () => {
  const file = fresh('shared')
  withFile(
    'r+',
    fd => {
      using mapping = new Mapping({ file: fd, offset: 10, access: 'write' })
      assert.equal(mapping.shared, true)
      mapping.bytes.set([1, 2, 3])
      mapping.sync()
      mapping.sync({ offset: 1, length: 1, async: true, invalidate: true })
    },
    file,
  )
  assert.deepEqual([...readFileSync(file).subarray(10, 13)], [1, 2, 3])
})

test('a write to memory that was mapped for reading, or privately, changes neither file nor fate', () => {
  const file = fresh('private')
  for (const options of [{}, { access: 'read' }, { access: 'write', shared: false }] as MappingOptions[]) {
    withFile(
      'r',
      fd => {
        using mapping = new Mapping({ file: fd, ...options })
        assert.equal(mapping.shared, false)
        mapping.bytes.fill(0)
        assert.equal(mapping.bytes[100], 0)
      },
      file,
    )
  }
  assert.deepEqual(readFileSync(file), Buffer.from(contents))
})

test('anonymous memory starts zeroed, on a page, and is as long as was asked', () => {
  for (const shared of [false, true]) {
    using mapping = new Mapping({ length: 10_000, shared })
    assert.equal(mapping.length, 10_000)
    assert.equal(mapping.address % PAGE_SIZE, 0)
    assert.ok(mapping.bytes.every(byte => byte === 0))
    mapping.bytes.fill(7)
  }
})

test('unmapping empties every view, at once and only once', () => {
  const file = fresh('unmapped')
  withFile(
    'r',
    fd => {
      const mapping = new Mapping({ file: fd })
      const view = mapping.bytes.subarray(5, 10)
      assert.equal(mappingsOf(file), 1)
      mapping.unmap()
      assert.equal(mappingsOf(file), 0)
      assert.equal(view.length, 0)
      assert.equal(view[0], undefined)
      assert.equal(mapping.length, 0)
      assert.equal(mapping.bytes.length, 0)
      assert.equal(mapping.address, 0)
      assert.equal(mapping.closed, true)
      mapping.unmap()
      for (const use of [
        () => mapping.advise('normal'),
        () => mapping.sync(),
        () => mapping.lock(),
        () => mapping.unlock(),
        () => mapping.resident(),
        () => mapping.residency(),
      ]) {
        assert.throws(use, { code: 'ERR_SLUICE_CLOSED' })
      }
    },
    file,
  )
})

test('memory that operations hold loses its views at once, and is unmapped when the last lets go', () => {
  const file = fresh('pinned')
  withFile(
    'r',
    fd => {
      const mapping = new Mapping({ file: fd })
      const view = mapping.bytes
      const region = regionOf(view.buffer)
      pin(region)
      pin(region)
      assert.equal(mapping.inFlight, true)
      mapping.unmap()
      assert.equal(view.length, 0)
      unpin(region)
      assert.equal(mappingsOf(file), 1)
      unpin(region)
      assert.equal(mappingsOf(file), 0)
    },
    file,
  )
})

test('memory that operations hold is not discarded', () => {
  using mapping = new Mapping({ length: PAGE_SIZE })
  const region = regionOf(mapping.bytes.buffer)
  mapping.bytes.fill(9)
  pin(region)
  for (const advice of ['dontneed', 'free', 'remove'] as const) {
    assert.throws(() => mapping.advise(advice), { code: 'ERR_SLUICE_IN_FLIGHT' })
  }
  assert.equal(mapping.bytes[0], 9)
  unpin(region)
  mapping.advise('dontneed')
  assert.equal(mapping.bytes[0], 0)
})

test('advice is taken, for the whole or for a part', () => {
  const kinds: MappingAdvice[] = [
    'normal',
    'random',
    'sequential',
    'willneed',
    'dontfork',
    'dofork',
    'dontdump',
  ]
  withFile('r', fd => {
    using mapping = new Mapping({ file: fd, offset: 100 })
    for (const advice of [...kinds, 'cold', 'pageout', 'populate-read', 'dontneed'] as const)
      mapping.advise(advice)
    mapping.advise('willneed', PAGE_SIZE + 7, 9)
    mapping.advise('willneed', 3, 0)
    assert.deepEqual(Buffer.from(mapping.bytes), Buffer.from(contents.subarray(100)))
  })
  using memory = new Mapping({ length: 4 * 2 ** 20 })
  for (const advice of ['hugepage', 'nohugepage', 'mergeable', 'free', 'populate-write'] as const)
    memory.advise(advice)
})

test('discarding takes whole pages only, so that no neighbour is lost', () => {
  using mapping = new Mapping({ length: 2 * PAGE_SIZE + 10 })
  mapping.bytes.fill(5)
  assert.throws(() => mapping.advise('dontneed', 1), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => mapping.advise('dontneed', 0, 100), { code: 'ERR_OUT_OF_RANGE' })
  mapping.advise('dontneed', PAGE_SIZE, PAGE_SIZE)
  mapping.advise('dontneed', 2 * PAGE_SIZE)
  assert.equal(mapping.bytes[PAGE_SIZE - 1], 5)
  assert.ok(mapping.bytes.subarray(PAGE_SIZE).every(byte => byte === 0))
})

test('residency is told by page, and its sum never exceeds the range', () => {
  using mapping = new Mapping({ length: 8 * PAGE_SIZE - 5 })
  assert.equal(mapping.resident(), 0)
  mapping.bytes[PAGE_SIZE * 2] = 1
  mapping.bytes[PAGE_SIZE * 7] = 1
  assert.deepEqual([...mapping.residency()], [0, 0, 1, 0, 0, 0, 0, 1])
  assert.equal(mapping.resident(), 2 * PAGE_SIZE - 5)
  assert.equal(mapping.resident(2 * PAGE_SIZE + 10, 20), 20)
  assert.equal(mapping.resident(2 * PAGE_SIZE + 10, PAGE_SIZE), PAGE_SIZE - 10)
  assert.equal(mapping.resident(5, 0), 0)
  using file = withFile('r', fd => new Mapping({ file: fd, offset: 77, populate: true }))
  assert.equal(file.resident(), contents.length - 77)
})

test('locked memory is resident, and is unlocked', { skip: lockable() }, () => {
  for (const access of ['read', 'write'] as const) {
    withFile('r+', fd => {
      using mapping = new Mapping({ file: fd, access, lock: true })
      assert.equal(mapping.resident(), contents.length)
      mapping.unlock()
      mapping.lock(PAGE_SIZE, 10)
      mapping.unlock(PAGE_SIZE, 10)
      assert.deepEqual(Buffer.from(mapping.bytes), Buffer.from(contents))
    })
  }
})

function lockable(): string | false {
  using mapping = new Mapping({ length: 16 * PAGE_SIZE })
  try {
    mapping.lock()
    return false
  } catch (error) {
    return `nothing can be locked here: ${(error as Error).message}`
  }
}

test('a mapping that is locked for reading stays one of the page cache, not a copy', {
  skip: lockable(),
}, () => {
  withFile('r', fd => {
    using mapping = new Mapping({ file: fd, lock: true, populate: true })
    assert.equal(mapping.bytes.length, contents.length)
    const smaps = readFileSync('/proc/self/smaps', 'utf8')
    const entry = smaps.slice(smaps.indexOf(path))
    assert.match(entry, /^Anonymous: +0 kB$/m)
  })
})

test('huge pages that are not there are an error, transparent ones a wish', () => {
  using wish = new Mapping({ length: 2 ** 22, hugePages: 'transparent' })
  assert.equal(wish.length, 2 ** 22)
  const reserved = Number(readFileSync('/proc/sys/vm/nr_hugepages', 'utf8'))
  if (reserved === 0) {
    assert.throws(() => new Mapping({ length: 100, hugePages: '2MiB' }), { code: 'ENOMEM', syscall: 'mmap' })
  } else {
    using mapping = new Mapping({ length: 100, hugePages: '2MiB' })
    assert.equal(mapping.pageSize, 2 ** 21)
  }
  withFile('r', fd => {
    assert.throws(() => new Mapping({ file: fd, length: 100, hugePages: '2MiB' }), { code: 'EINVAL' })
  })
})

test('a range that is empty, behind the end or too long is refused', () => {
  const empty = fresh('empty', new Uint8Array(0))
  const size = contents.length
  const range = { code: 'ERR_OUT_OF_RANGE' }
  withFile('r', fd => assert.throws(() => new Mapping({ file: fd }), range), empty)
  withFile('r', fd => {
    for (const options of [
      { length: 0 },
      { length: -1 },
      { length: 0.5 },
      { length: size + 1 },
      { length: Infinity },
      { offset: size },
      { offset: -1 },
      { offset: 1, length: size },
      { offset: 2 ** 53 },
      { offset: NaN },
    ]) {
      assert.throws(() => new Mapping({ file: fd, ...options }), range, JSON.stringify(options))
    }
  })
  assert.throws(() => new Mapping({ length: constants.MAX_LENGTH + 1 }), range)
  assert.throws(() => new Mapping({ length: PAGE_SIZE, offset: PAGE_SIZE }), range)
  assert.throws(() => new Mapping({ file: -1, length: 1 }), range)
  assert.throws(() => new Mapping({ file: 2 ** 31, length: 1 }), range)
  using mapping = new Mapping({ length: 100 })
  for (const [offset, length] of [
    [-1, 1],
    [101, 0],
    [0, 101],
    [50, 51],
    [0.5, 1],
    [0, -1],
    [2 ** 60, 1],
  ] as const) {
    assert.throws(() => mapping.advise('normal', offset, length), range)
    assert.throws(() => mapping.resident(offset, length), range)
    assert.throws(() => mapping.sync({ offset, length }), range)
    assert.throws(() => mapping.lock(offset, length), range)
  }
})

test('wrong types are refused', () => {
  const type = { code: 'ERR_INVALID_ARG_TYPE' }
  const value = { code: 'ERR_INVALID_ARG_VALUE' }
  const make = (options: unknown) => () => new Mapping(options as MappingOptions)
  for (const options of [
    undefined,
    null,
    3,
    {},
    { file: 'a path' },
    { file: null },
    { file: {} },
    { length: '1' },
    { length: 1n },
    { length: 1, offset: '0' },
    { length: 1, shared: 1 },
  ]) {
    assert.throws(
      make(options),
      type,
      JSON.stringify(options, (_, each) => (typeof each === 'bigint' ? 'n' : each)),
    )
  }
  assert.throws(make({ length: 1, access: 'execute' }), value)
  assert.throws(make({ length: 1, hugePages: true }), value)
  assert.throws(make({ length: 1, dax: true }), value)
  using mapping = new Mapping({ length: 1 })
  assert.throws(() => mapping.advise('toString' as MappingAdvice), value)
  assert.throws(() => mapping.advise('normal', '0' as unknown as number), type)
})

test("the errors of the kernel are Node's", () => {
  withFile('r', fd => {
    assert.throws(() => new Mapping({ file: fd, access: 'write' }), {
      code: 'EACCES',
      syscall: 'mmap',
      errno: -13,
    })
  })
  assert.throws(() => new Mapping({ file: 1_000_000 }), { code: 'EBADF', syscall: 'fstat' })
  withFile('r+', fd => {
    let error: NodeJS.ErrnoException | undefined
    try {
      new Mapping({ file: fd, access: 'write', dax: true }).unmap()
    } catch (caught) {
      error = caught as NodeJS.ErrnoException
    }
    // Only a DAX file system lets it be.
    if (error !== undefined) assert.equal(error.code, 'ENOTSUP')
  })
})

test('its ArrayBuffer cannot be transferred to another thread; a copy of it can', () => {
  using mapping = new Mapping({ length: 100 })
  mapping.bytes.fill(3)
  const { buffer } = mapping.bytes
  let moved: ArrayBuffer | undefined
  try {
    moved = structuredClone(buffer, { transfer: [buffer] })
  } catch (error) {
    assert.equal((error as Error).name, 'DataCloneError')
  }
  // Node 20 copies instead of refusing.
  assert.equal(mapping.bytes[99], 3)
  if (moved !== undefined) assert.equal(new Uint8Array(moved)[99], 3)
  const copy = structuredClone(mapping.bytes)
  mapping.unmap()
  assert.equal(copy[99], 3)
  assert.equal(copy.length, 100)
})

test('memory moved by transfer() stays valid, and unmap() says that it is not its own any more', t => {
  if (!('transfer' in ArrayBuffer.prototype)) return t.skip('this Node has no ArrayBuffer.prototype.transfer')
  const mapping = new Mapping({ length: 100 })
  mapping.bytes.fill(3)
  const { buffer } = mapping.bytes
  const moved = (buffer as ArrayBuffer & { transfer(): ArrayBuffer }).transfer()
  assert.throws(() => mapping.unmap(), { code: 'EBUSY' })
  assert.equal(new Uint8Array(moved)[99], 3)
})
