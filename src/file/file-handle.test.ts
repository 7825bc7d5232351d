import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open as openNode } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { syscall } from '../kernel/index.js'
import { type EitherHandle, outcome, patternBytes, scratchFolder } from './file.test.support.js'
import { FileHandle, open } from './index.js'

const folder = scratchFolder()
const content = patternBytes(300_000)
const path = join(folder, 'content')
writeFileSync(path, content)

/** A pipe's two ends, as descriptors. */
function pipe(): { reader: number; writer: number } {
  const ends = new Int32Array(new ArrayBuffer(8))
  assert.equal(syscall('pipe2', ends, 0), 0)
  return { reader: ends[0] as number, writer: ends[1] as number }
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd)
    return true
  } catch {
    return false
  }
}

/** Whether a promise has settled by now, once everything that was ready has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const settle = () => {
    settled = true
  }
  promise.then(settle, settle)
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  return settled
}

test('a handle closes only when the operations in flight on it are over', async () => {
  const { reader, writer } = pipe()
  const file = FileHandle.from(reader, { own: true })
  const read = file.read(Buffer.alloc(5))
  const closed = file.close()
  assert.equal(file.fd, -1)
  assert.equal(await isSettled(closed), false)
  assert.equal(isOpen(reader), true)
  writeSync(writer, 'hello')
  assert.equal(String((await read).buffer), 'hello')
  await closed
  assert.equal(isOpen(reader), false)
  closeSync(writer)
})

test('a handle that waits to be closed takes nothing new', async () => {
  const { reader, writer } = pipe()
  const file = FileHandle.from(reader, { own: true })
  const read = file.read(Buffer.alloc(5))
  const closed = file.close()
  await assert.rejects(file.read(Buffer.alloc(1)), { code: 'EBADF', syscall: 'read' })
  writeSync(writer, 'x')
  await Promise.all([read, closed])
  closeSync(writer)
})

test('closing twice waits for the same close, and closing what is closed does nothing', async () => {
  const file = await open(path)
  const first = file.close()
  assert.equal(file.close(), first)
  await first
  await file.close()
})

test('a handle says when it is closed, once', async () => {
  const file = await open(path)
  let times = 0
  file.on('close', () => times++)
  await file.close()
  await file.close()
  assert.equal(times, 1)
})

test('await using closes the handle', async () => {
  let fd = -1
  {
    await using file = await open(path)
    fd = file.fd
    assert.equal(isOpen(fd), true)
  }
  assert.equal(isOpen(fd), false)
})

test('reads at the position of the file that are asked for at once get one part each, in order', async () => {
  await using file = await open(path)
  const reads = Array.from({ length: 40 }, (_, index) => file.read(Buffer.alloc(1000 + index)))
  const parts = (await Promise.all(reads)).map(({ buffer }) => buffer)
  const all = Buffer.concat(parts)
  assert.deepEqual(all, content.subarray(0, all.length))
})

test('writes at the position of the file that are asked for at once land one after the other, in order', async () => {
  const target = join(folder, 'in-order')
  await using file = await open(target, 'w')
  const parts = Array.from({ length: 40 }, (_, index) => patternBytes(900 + index, index + 1))
  await Promise.all(parts.map((part, index) => (index % 3 ? file.write(part) : file.writev([part]))))
  assert.deepEqual(readFileSync(target), Buffer.concat(parts))
})

test('readFile has the position of the file to itself', async () => {
  await using file = await open(path)
  const [first, whole, after] = await Promise.all([
    file.read(Buffer.alloc(1000)),
    file.readFile(),
    file.read(Buffer.alloc(1000)),
  ])
  assert.deepEqual(first.buffer, content.subarray(0, 1000))
  assert.deepEqual(whole, content.subarray(1000))
  assert.equal(after.bytesRead, 0)
})

test('a read and a write wait side by side on what has no position', async () => {
  const { reader, writer } = pipe()
  await using input = FileHandle.from(reader, { own: true })
  await using output = FileHandle.from(writer, { own: true })
  const reads = [input.read(Buffer.alloc(3)), input.read(Buffer.alloc(3))]
  await output.write('abc')
  await output.write('def')
  const texts = (await Promise.all(reads)).map(({ buffer }) => String(buffer))
  assert.deepEqual(texts.sort(), ['abc', 'def'])
})

test('a write goes on until a pipe has taken all of it', async () => {
  const { reader, writer } = pipe()
  await using input = FileHandle.from(reader, { own: true })
  const output = FileHandle.from(writer, { own: true })
  const write = output.write(content).then(async result => {
    await output.close()
    return result
  })
  const parts: Buffer[] = []
  for (let end = false; !end; ) {
    const { bytesRead, buffer } = await input.read(Buffer.alloc(50_000))
    end = bytesRead === 0
    parts.push(buffer.subarray(0, bytesRead))
  }
  assert.equal((await write).bytesWritten, content.length)
  assert.deepEqual(Buffer.concat(parts), content)
})

test('a long read, copied on another thread, gives the same bytes', async () => {
  await using file = await open(path)
  const { bytesRead, buffer } = await file.read(Buffer.alloc(290_000), 7, 280_000, 123)
  assert.equal(bytesRead, 280_000)
  assert.deepEqual(buffer.subarray(7, 280_007), content.subarray(123, 280_123))
  const vectors = await file.readv([Buffer.alloc(150_000), Buffer.alloc(140_000)], 9)
  assert.deepEqual(Buffer.concat(vectors.buffers), content.subarray(9, 290_009))
})

test('an aborted read rejects with AbortError, and leaves the handle usable', async () => {
  const { reader, writer } = pipe()
  await using file = FileHandle.from(reader, { own: true })
  const controller = new AbortController()
  const read = file.read(Buffer.alloc(5), { signal: controller.signal })
  assert.equal(await isSettled(read), false)
  controller.abort(new Error('enough'))
  await assert.rejects(read, { name: 'AbortError', code: 'ABORT_ERR' })
  writeSync(writer, 'later')
  assert.equal(String((await file.read(Buffer.alloc(5))).buffer), 'later')
  closeSync(writer)
})

test('an operation with a signal that is aborted already does nothing', async () => {
  const target = join(folder, 'untouched')
  writeFileSync(target, 'abc')
  const signal = AbortSignal.abort()
  await using file = await open(target, 'r+')
  await assert.rejects(file.write(Buffer.from('xyz'), { signal }), { name: 'AbortError' })
  await assert.rejects(file.read(Buffer.alloc(3), { signal }), { name: 'AbortError' })
  await assert.rejects(file.stat({ signal }), { name: 'AbortError' })
  await assert.rejects(open(target, 'w', { signal }), { name: 'AbortError' })
  assert.equal(readFileSync(target, 'utf8'), 'abc')
})

test('a borrowed descriptor stays open, an owned one is closed with the handle', async () => {
  const fd = openSync(path, 'r')
  const borrowed = FileHandle.from(fd)
  assert.deepEqual((await borrowed.read(Buffer.alloc(9), 0, 9, 5)).buffer, content.subarray(5, 14))
  await borrowed.close()
  assert.equal(isOpen(fd), true)
  await FileHandle.from(fd, { own: true }).close()
  assert.equal(isOpen(fd), false)
})

test("Node's handle can be borrowed or owned", async () => {
  const node = await openNode(path)
  const borrowed = FileHandle.from(node)
  assert.equal(borrowed.fd, node.fd)
  await borrowed.close()
  assert.deepEqual((await node.read(Buffer.alloc(3), 0, 3, 0)).buffer, content.subarray(0, 3))
  await FileHandle.from(node, { own: true }).close()
  assert.equal(node.fd, -1)
})

test('a handle of ours is taken as it is', async () => {
  await using file = await open(path)
  assert.equal(FileHandle.from(file), file)
})

test('what is no open file is refused', () => {
  const from = (source: unknown) => () => FileHandle.from(source as number)
  assert.throws(from('3'), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(from(null), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(from({}), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(from(-1), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(from(1.5), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(from(2 ** 31), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(from(2 ** 20), { code: 'EBADF', syscall: 'fcntl' })
})

test('a detached buffer is as empty as in Node', async () => {
  const detached = () => {
    const buffer = new Uint8Array(10)
    structuredClone(buffer, { transfer: [buffer.buffer] })
    return buffer
  }
  await using file = await open(path)
  assert.equal((await file.read(detached())).bytesRead, 0)
  await assert.rejects(file.read(detached(), 0, 5), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.equal((await file.write(detached())).bytesWritten, 0)
})

test('shared memory can be read into and written', async () => {
  const target = join(folder, 'shared')
  await using file = await open(target, 'w+')
  const shared = new Uint8Array(new SharedArrayBuffer(100))
  shared.set(content.subarray(0, 100))
  await file.write(shared, 0, 100, 0)
  await file.read(shared, 50, 50, 0)
  assert.deepEqual(Buffer.from(shared.slice(50)), content.subarray(0, 50))
})

test('a handle that is forgotten is closed, with a warning', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const warned = new Promise<Error>(resolve => process.once('warning', resolve))
  const fd = await (async () => (await open(path)).fd)()
  const timer = setInterval(gc, 10)
  const { message } = await warned
  clearInterval(timer)
  assert.equal(message, `Closing file descriptor ${fd} on garbage collection`)
})

test('a borrowed handle that is forgotten closes nothing', async () => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const fd = openSync(path, 'r')
  const warnings: Error[] = []
  const listen = (warning: Error) => warnings.push(warning)
  process.on('warning', listen)
  const forgotten = await (async () => new WeakRef(FileHandle.from(fd)))()
  while (forgotten.deref() !== undefined) {
    await new Promise(resolve => setImmediate(resolve))
    gc()
  }
  await new Promise(resolve => setImmediate(resolve))
  process.off('warning', listen)
  assert.deepEqual(warnings, [])
  closeSync(fd)
})

test('a disk that is full is reported as by Node', async t => {
  const mount = join(folder, 'small')
  mkdirSync(mount)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', mount])
  if (mounted.status !== 0) return t.skip('a file system cannot be mounted here')
  t.after(() => spawnSync('umount', [mount]))
  const both = [join(mount, 'node'), join(mount, 'ours')] as const
  for (const vectored of [false, true]) {
    const results: unknown[] = []
    for (const each of both) {
      await using file = (await (each === both[0] ? openNode : open)(each, 'w')) as EitherHandle
      const write = () => (vectored ? file.writev([content], 0) : file.write(content, 0, content.length, 0))
      const { bytesWritten } = await write()
      const next = await outcome(() => file.write(content, 0, 5000, 65536))
      results.push({ bytesWritten, next })
      await file.truncate(0)
    }
    assert.deepEqual(results[1], results[0])
  }
})

test('flush makes writeFile durable before it resolves', async () => {
  const target = join(folder, 'flushed')
  await using file = await open(target, 'w')
  await file.writeFile('abc', { flush: true })
  await file.appendFile('def', { flush: true })
  assert.equal(readFileSync(target, 'utf8'), 'abcdef')
})

/** How many descriptors of this process a file has. */
function descriptorsOf(file: string): number {
  const links = readdirSync('/proc/self/fd').map(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return undefined
    }
  })
  return links.filter(link => link === file).length
}

for (const ending of ['is terminated', 'leaves']) {
  test(`files that a thread has open are closed when it ${ending}, and those of others are not`, async () => {
    const file = join(folder, `thread ${ending}`)
    writeFileSync(file, 'x')
    const fd = openSync(file, 'r')
    try {
      const program = `
        const { parentPort, workerData } = require('node:worker_threads')
        import(workerData.module).then(async ({ FileHandle, open }) => {
          const files = [await open(workerData.file), await open(workerData.file), FileHandle.from(workerData.fd)]
          await (await open(workerData.file)).close()
          globalThis.files = files
          parentPort.postMessage('open')
          parentPort.once('message', () => process.exit())
        })`
      const module = import.meta.resolve('./index.js')
      const workerData = { module, file, fd }
      const worker = new Worker(program, { eval: true, workerData })
      await once(worker, 'message')
      assert.equal(descriptorsOf(file), 3)
      const ended = once(worker, 'exit')
      if (ending === 'leaves') worker.postMessage('leave')
      else await worker.terminate()
      await ended
      assert.equal(descriptorsOf(file), 1)
    } finally {
      closeSync(fd)
    }
  })
}
