import assert from 'node:assert/strict'
import { constants, openSync, readFileSync, writeFileSync } from 'node:fs'
import { open as openNode } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { engine, type OperationOptions, type Prepare } from '../engine/index.js'
import { RWF, SQE_WORD } from '../kernel/index.js'
import { alignedBuffer } from '../memory/index.js'
import { outcome, patternBytes, scratchFolder } from './file.test.support.js'
import { FileHandle, open } from './index.js'

const folder = scratchFolder()
const SIZE = 700_123
const content = patternBytes(SIZE)
const path = join(folder, 'content')
writeFileSync(path, content)
let count = 0

/** The alignment that is needed here, or why there is no Direct I/O. */
const offered = await open(path, 'r', { direct: true }).then(
  async file => {
    await file.close()
    return file.direct
  },
  (error: Error) => error.message,
)
const skip = typeof offered === 'string' ? offered : false
const step = typeof offered === 'object' ? offered.offset : 4096

async function fresh(unaligned: 'refuse' | 'modify', bytes: Buffer): Promise<[FileHandle, string]> {
  const name = join(folder, `file-${++count}`)
  writeFileSync(name, bytes)
  return [await open(name, 'r+', { direct: true, unaligned }), name]
}

describe('past the page cache', { skip }, () => {
  test('a handle says what alignment is needed', async () => {
    await using file = await open(path, 'r', { direct: true })
    assert.ok(file.direct !== undefined && file.direct.memory > 0 && file.direct.offset >= 512)
    await using buffered = await open(path)
    assert.equal(buffered.direct, undefined)
  })

  test('any part of a file can be read, into any memory', async () => {
    await using file = await open(path, 'r', { direct: true })
    const read = fc.record({
      position: fc.integer({ min: 0, max: SIZE + 2000 }),
      length: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 700_000 })),
      offset: fc.integer({ min: 0, max: 600 }),
      aligned: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(read, async ({ position, length, offset, aligned }) => {
        const at = aligned ? position - (position % step) : position
        const memory = alignedBuffer(offset + length + 10).fill(0xee)
        const { bytesRead, buffer } = await file.read(memory, offset, length, at)
        const expected = content.subarray(at, at + length)
        assert.equal(bytesRead, expected.length)
        assert.equal(buffer, memory)
        assert.ok(expected.equals(memory.subarray(offset, offset + bytesRead)))
        assert.ok(memory.subarray(0, offset).every(byte => byte === 0xee))
        assert.ok(memory.subarray(offset + length).every(byte => byte === 0xee))
      }),
      { numRuns: 150 },
    )
  })

  test('what is aligned goes straight to its memory, however much; the rest in pieces', async () => {
    await using file = await open(path, 'r', { direct: true })
    const length = SIZE - (SIZE % step) - step
    const memory = alignedBuffer(length + step)
    const submissions = async (offset: number, bytes: number, position: number) => {
      const before = engine().stats().submissions
      await file.read(memory, offset, bytes, position)
      return engine().stats().submissions - before
    }
    assert.equal(await submissions(0, length, step), 1)
    assert.equal(await submissions(step, step, 0), 1)
    // The blocks at both ends are read into memory of ours, what lies between goes straight.
    assert.equal(await submissions(step - 5, length, step - 5), 3)
    assert.ok((await submissions(1, length, step)) > 1)
  })

  test('the position of the file is used and moved as ever', async () => {
    await using file = await open(path, 'r', { direct: true })
    const parts = await Promise.all([100, 5000, 300_000].map(length => file.read(Buffer.alloc(length))))
    const all = Buffer.concat(parts.map(({ buffer }) => buffer))
    assert.ok(all.equals(content.subarray(0, all.length)))
    assert.ok((await file.readFile()).equals(content.subarray(all.length)))
    assert.equal((await file.read(Buffer.alloc(10))).bytesRead, 0)
  })

  test('vectors can be read, aligned or not', async () => {
    await using file = await open(path, 'r', { direct: true })
    for (const lengths of [
      [step, step * 3],
      [7, 1000, 70_000],
      [step, 5],
    ]) {
      const { bytesRead, buffers } = await file.readv(
        lengths.map(length => alignedBuffer(length)),
        step,
      )
      const total = lengths.reduce((sum, length) => sum + length)
      assert.equal(bytesRead, total)
      assert.ok(Buffer.concat(buffers).equals(content.subarray(step, step + total)))
    }
  })

  test('batches can be read anywhere', async () => {
    await using file = await open(path, 'r', { direct: true })
    const extents = Array.from({ length: 50 }, (_, n) => ({ position: n * 13_777, length: 1000 + n }))
    const results = await file.readBatch(extents)
    for (const [index, { position, length }] of extents.entries()) {
      const expected = content.subarray(position, position + length)
      assert.ok(expected.equals(results[index]?.buffer as Buffer))
    }
  })

  test('a stream gives any part of the file', async () => {
    await using file = await open(path, 'r', { direct: true })
    for (const options of [
      {},
      { start: 5 },
      { start: 4097, end: 600_001, chunkSize: 10_000 },
      { depth: 1 },
    ]) {
      const parts: Buffer[] = []
      for await (const chunk of file.stream(options)) parts.push(Buffer.from(chunk))
      const { start = 0, end = SIZE } = options as { start?: number; end?: number }
      assert.ok(Buffer.concat(parts).equals(content.subarray(start, end + 1)))
    }
    const parts: Uint8Array[] = []
    for await (const chunk of file.stream({ owned: true, chunkSize: 50_000 })) parts.push(chunk)
    assert.ok(Buffer.concat(parts).equals(content))
  })

  test('an aligned write goes through, from aligned memory or not', async () => {
    const [file, name] = await fresh('refuse', Buffer.alloc(step * 8))
    const memory = alignedBuffer(step * 2 + 1)
    memory.set(content.subarray(0, memory.length))
    await file.write(memory, 0, step * 2, step)
    await file.write(memory, 1, step * 2, step * 4)
    await file.writev([memory.subarray(0, step)], 0)
    await file.close()
    const written = readFileSync(name)
    assert.ok(written.subarray(0, step).equals(content.subarray(0, step)))
    assert.ok(written.subarray(step, step * 3).equals(content.subarray(0, step * 2)))
    assert.ok(written.subarray(step * 4, step * 6).equals(content.subarray(1, step * 2 + 1)))
  })

  test('closing waits for writes from memory that is not aligned, and for appends', async () => {
    const [file, name] = await fresh('refuse', Buffer.alloc(step * 4))
    const memory = alignedBuffer(step * 2 + 1)
    memory.set(content.subarray(0, memory.length))
    const write = file.write(memory, 1, step * 2, step)
    const vectors = file.writev([memory.subarray(1, step), memory.subarray(0, 1)], 0)
    await file.close()
    assert.deepEqual([(await write).bytesWritten, (await vectors).bytesWritten], [step * 2, step])
    const appending = await open(name, 'a', { direct: true })
    const append = appending.write(memory, 1, step)
    await appending.close()
    assert.equal((await append).bytesWritten, step)
    const [one, two] = [content.subarray(1, step + 1), content.subarray(1, step * 2 + 1)]
    const first = Buffer.concat([content.subarray(1, step), content.subarray(0, 1)])
    assert.ok(readFileSync(name).equals(Buffer.concat([first, two, Buffer.alloc(step), one])))
  })

  test('an unaligned write is refused, and the error states the alignment', async () => {
    const [file, name] = await fresh('refuse', content)
    const bytes = Buffer.alloc(step)
    const refused = { code: 'ERR_SLUICE_ALIGNMENT', message: new RegExp(`blocks of ${step} bytes`) }
    await assert.rejects(file.write(bytes, 0, step, 1), refused)
    await assert.rejects(file.write(bytes, 0, step - 1, 0), refused)
    await assert.rejects(file.write('text', 0), refused)
    await assert.rejects(file.writev([Buffer.alloc(3)], 0), refused)
    await assert.rejects(file.writeFile('abc'), refused)
    await file.close()
    assert.ok(readFileSync(name).equals(content))
  })

  test('unaligned writes by modifying blocks give what writes through the cache give', async () => {
    const write = fc.record({
      position: fc.integer({ min: 0, max: 20_000 }),
      length: fc.integer({ min: 1, max: 9000 }),
      seed: fc.integer({ min: 1, max: 2 ** 31 }),
      how: fc.constantFrom('write', 'writev', 'truncate', 'aligned'),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(write, { maxLength: 8 }),
        fc.integer({ min: 0, max: 9000 }),
        async (writes, size) => {
          let model = Buffer.from(content.subarray(0, size))
          const [file, name] = await fresh('modify', model)
          for (const { position, length, seed, how } of writes) {
            if (how === 'truncate') {
              await file.truncate(position)
              model = Buffer.concat([model, Buffer.alloc(20_000)], Math.max(position, 0))
              continue
            }
            const at = how === 'aligned' ? position - (position % step) : position
            const bytes = patternBytes(how === 'aligned' ? step * 3 : length, seed)
            const done =
              how === 'writev'
                ? file.writev([bytes.subarray(0, 5), bytes.subarray(5)], at)
                : file.write(bytes, 0, bytes.length, at)
            assert.equal((await done).bytesWritten, bytes.length)
            const grown = Math.max(model.length, at + bytes.length)
            model = Buffer.concat([model, Buffer.alloc(grown - model.length)])
            bytes.copy(model, at)
          }
          await file.close()
          assert.ok(readFileSync(name).equals(model))
        },
      ),
      { numRuns: 60 },
    )
  })

  test('unaligned writes next to each other, at once, lose nothing', async () => {
    const [file, name] = await fresh('modify', Buffer.alloc(0))
    const pieces = Array.from({ length: 100 }, (_, n) => ({ at: n * 100, bytes: patternBytes(100, n + 1) }))
    await Promise.all(pieces.map(({ at, bytes }) => file.write(bytes, 0, 100, at)))
    await file.close()
    assert.ok(readFileSync(name).equals(Buffer.concat(pieces.map(({ bytes }) => bytes))))
  })

  test('writes at the position of the file follow each other', async () => {
    const [file, name] = await fresh('modify', Buffer.alloc(0))
    await Promise.all([file.write('one '), file.writeFile('two '), file.write('three')])
    await file.close()
    assert.equal(readFileSync(name, 'utf8'), 'one two three')
  })

  test('an unaligned write that must read first says so where the file can only be written', async () => {
    const name = join(folder, `file-${++count}`)
    writeFileSync(name, content)
    await using file = await open(name, constants.O_WRONLY, { direct: true, unaligned: 'modify' })
    await assert.rejects(file.write('x', 5), { code: 'ERR_SLUICE_ALIGNMENT', message: /writing only/ })
  })

  for (const [name, size] of Object.entries({ 'a tail': SIZE, 'whole blocks': 4096 * 40, nothing: 0 })) {
    test(`a writer writes a file with ${name}`, async () => {
      const target = join(folder, `file-${++count}`)
      await using file = await open(target, 'w', { direct: true })
      const writer = file.writer({ chunkSize: 65_536 })
      for (let at = 0; at < size; at += 10_000)
        await writer.write(content.subarray(at, Math.min(at + 10_000, size)))
      assert.deepEqual(await writer.end(), { bytesWritten: size })
      assert.ok(readFileSync(target).equals(content.subarray(0, size)))
    })
  }

  test('a writer flushes what fills no block, and goes on, where nothing can be read', async () => {
    const target = join(folder, `file-${++count}`)
    await using file = await open(target, 'w', { direct: true })
    const writer = file.writer({ chunkSize: 65_536 })
    let size = 0
    for (const bytes of [100, step, 0, 70_000, 3]) {
      await writer.write(content.subarray(size, size + bytes))
      size += bytes
      await writer.flush()
      assert.ok(readFileSync(target).equals(content.subarray(0, size)))
    }
    assert.equal((await writer.end()).bytesWritten >= size, true)
    assert.ok(readFileSync(target).equals(content.subarray(0, size)))
  })

  test('a writer keeps what the file has behind its tail', async () => {
    const [file, name] = await fresh('refuse', content)
    const writer = file.writer({ start: step })
    await writer.write(Buffer.alloc(1000, 1))
    await writer.flush()
    assert.equal(readFileSync(name)[step + 999], 1)
    await writer.write(Buffer.alloc(500, 2))
    await writer.end()
    await file.close()
    const expected = Buffer.from(content)
    expected.fill(1, step, step + 1000).fill(2, step + 1000, step + 1500)
    assert.ok(readFileSync(name).equals(expected))
  })

  test('a writer that starts in the middle of a block is refused', async () => {
    await using file = await open(path, 'r+', { direct: true })
    assert.throws(() => file.writer({ start: 5 }), { code: 'ERR_SLUICE_ALIGNMENT' })
  })

  test('an appending file takes whole blocks only', async () => {
    const name = join(folder, `file-${++count}`)
    await using file = await open(name, 'a', { direct: true, unaligned: 'modify' })
    await file.write(alignedBuffer(step).fill(1))
    await file.appendFile(alignedBuffer(step).fill(2))
    const refused = (error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'ERR_SLUICE_ALIGNMENT')
      return error.message.includes(`blocks of ${step} bytes`) && !error.message.includes('modify')
    }
    await assert.rejects(file.write('abc'), refused)
    assert.deepEqual(readFileSync(name), Buffer.concat([Buffer.alloc(step, 1), Buffer.alloc(step, 2)]))
  })

  test('appending to a file that ends within a block is refused, and the error says why', async () => {
    const name = join(folder, `file-${++count}`)
    writeFileSync(name, Buffer.alloc(100))
    await using file = await open(name, 'a', { direct: true })
    const refused = { code: 'ERR_SLUICE_ALIGNMENT', message: /its length, 100,/ }
    await assert.rejects(file.write(alignedBuffer(step)), refused)
    await assert.rejects(file.write(alignedBuffer(step + 1), 1, step), refused)
  })

  test('an atomic write is one write, from any memory', async t => {
    const length = step * 256 * (4096 / step)
    const [file, name] = await fresh('refuse', Buffer.alloc(length * 2))
    const written: number[] = []
    const thread = engine()
    const { run } = thread
    // Where no device writes atomically, it is written as usual: what counts is what the kernel is asked for.
    t.mock.method(thread, 'run', (prepare: Prepare, options: OperationOptions) =>
      run.call(
        thread,
        (queue, userData) => {
          if (!prepare(queue, userData)) return false
          if (options.syscall !== 'write') return true
          assert.equal(queue.words[queue.last + SQE_WORD.OP_FLAGS], RWF.ATOMIC)
          queue.words[queue.last + SQE_WORD.OP_FLAGS] = 0
          written.push(queue.words[queue.last + SQE_WORD.LEN] as number)
          return true
        },
        options,
      ),
    )
    const memory = alignedBuffer(length + 1)
    memory.set(patternBytes(length), 1)
    await file.write(memory.subarray(1), { position: length, atomic: true })
    await file.close()
    assert.deepEqual(written, [length])
    assert.ok(readFileSync(name).subarray(length).equals(patternBytes(length)))
  })

  test('a descriptor that was opened past the page cache can be taken over', async () => {
    const { O_RDWR, O_DIRECT } = constants
    const name = join(folder, `file-${++count}`)
    writeFileSync(name, content)
    const fd = openSync(name, O_RDWR | O_DIRECT)
    await using file = FileHandle.from(fd, { own: true })
    assert.equal(file.direct?.offset, step)
    assert.ok((await file.read(Buffer.alloc(1001), 0, 1001, 777)).buffer.equals(content.subarray(777, 1778)))
    const refused = { code: 'ERR_SLUICE_ALIGNMENT', message: /taken over with O_DIRECT/ }
    await assert.rejects(file.write('x', 5), refused)
    const node = await openNode(name, O_RDWR | O_DIRECT)
    const borrowed = FileHandle.from(node)
    assert.ok((await borrowed.readFile()).equals(content))
    await node.close()
  })

  test('an atomic write is carried out, or refused as a whole', async () => {
    const [file] = await fresh('refuse', Buffer.alloc(step * 4))
    const length = file.direct?.atomicMin || step
    const result = await outcome(() => file.write(alignedBuffer(length), { position: 0, atomic: true }))
    const { error } = result as { error?: { code: string } }
    if (file.direct?.atomicMax) assert.equal(error, undefined)
    else assert.ok(['EOPNOTSUPP', 'EINVAL', 'ENOTSUP'].includes(error?.code ?? ''), error?.code)
    await file.close()
  })
})

test('where there is no Direct I/O the error says so', async () => {
  await assert.rejects(open('/proc/self/stat', 'r', { direct: true }), { code: 'ERR_SLUICE_UNSUPPORTED' })
  await assert.rejects(open(join(folder, 'missing'), 'r', { direct: true }), { code: 'ENOENT' })
})

test('a durable write is carried out with or without the page cache', async () => {
  const name = join(folder, `file-${++count}`)
  await using file = await open(name, 'w')
  assert.equal((await file.write(Buffer.from('safe'), { position: 0, dsync: true })).bytesWritten, 4)
  assert.equal(readFileSync(name, 'utf8'), 'safe')
})

test('wrong options of Direct I/O are refused', async () => {
  await assert.rejects(open(path, 'r', { direct: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(open(path, 'r', { unaligned: 'maybe' as never }), { code: 'ERR_INVALID_ARG_VALUE' })
})
