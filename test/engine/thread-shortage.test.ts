import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { runChild } from '../helpers/child.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-short-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const source = join(folder, 'source')
writeFileSync(source, Buffer.alloc(100_000, 'source'))

/** `forbid()` lets no further thread be started, those of Node's pool among them, which it starts all at once. */
const PRELUDE = `
  import * as fs from 'node:fs'
  import { subscribe } from 'node:diagnostics_channel'
  const { transfer } = await import(${JSON.stringify(import.meta.resolve('#dist/transfer/index.js'))})
  const { serve } = await import(${JSON.stringify(import.meta.resolve('#dist/http/index.js'))})
  let ended = []
  subscribe('sluice:operation', ({ syscall, result }) => ended.push([syscall, result].join(' ')))
  const forbid = async () => {
    await fs.promises.stat('/')
    const words = new BigUint64Array(new ArrayBuffer(16))
    kernel.syscall('prlimit64', 0, kernel.RLIMIT.NPROC, 0, words)
    words[0] = 1n
    kernel.syscall('prlimit64', 0, kernel.RLIMIT.NPROC, words, 0)
    // Root is above the limit.
    if (process.getuid() === 0) process.setuid(65534)
    const asynchronous = (queue, id) => {
      if (!ring.prepareNop(queue, id)) return false
      queue.mark(kernel.IOSQE.ASYNC)
      return true
    }
    const { code } = await engine.engine().run(asynchronous, { syscall: 'nop' }).catch(error => error)
    if (code !== 'EAGAIN') console.log('free')
    if (code !== 'EAGAIN') process.exit()
    ended = []
  }
`

function short(t: TestContext, program: string, by: readonly string[] = []): string | undefined {
  const printed = runChild(PRELUDE + program, [], by)
  if (printed !== 'free\n') return printed
  t.skip('io_uring is not to be had, or RLIMIT_NPROC keeps no thread of the kernel from being started here')
  return undefined
}

test('a transfer for which the kernel can start no thread fails, and says what mends it', t => {
  const printed = short(
    t,
    `
    const from = fs.openSync(${JSON.stringify(source)})
    const to = fs.openSync(${JSON.stringify(join(folder, 'sink'))}, 'w')
    await forbid()
    const error = await transfer({ fd: from }, { fd: to }, { via: 'splice' }).catch(error => error)
    console.log(error.code, error.message.includes('pids.max'), ended.join())
    await engine.engine().close()
    `,
  )
  if (printed !== undefined) assert.equal(printed, 'EAGAIN true splice -11\n')
})

test('a file server for which the kernel can start no thread answers 503 to what it would have to look for', t => {
  const printed = short(
    t,
    `
    const { get } = await import('node:http')
    const served = await serve({ root: ${JSON.stringify(folder)}, port: 0, host: '127.0.0.1' })
    await forbid()
    const url = 'http://127.0.0.1:' + served.port + '/never-looked-for'
    const response = await new Promise(resolve => get(url, { agent: false }, resolve))
    response.resume()
    // Each that fails once is not tried again, as one is that a rename got in the way of.
    console.log(response.statusCode, ended.filter(end => end === 'open -11').length < 4)
    process.exit()
    `,
  )
  if (printed !== undefined) assert.equal(printed, '503 true\n')
})

test('a file for whose close the kernel can start no thread is closed all the same', t => {
  // A file system with a flush, which the kernel leaves to its threads, as NFS and FUSE are.
  const mounted = join(folder, 'queues')
  mkdirSync(mounted)
  const by = ['unshare', '--mount', 'sh', '-c', 'mount -t mqueue none "$0" && exec "$@"', mounted]
  if (spawnSync(by[0], [...by.slice(1), 'true']).status !== 0) {
    t.skip('nothing may be mounted here')
    return
  }
  const printed = short(
    t,
    `
    const { FileHandle } = await import(${JSON.stringify(import.meta.resolve('#dist/file/index.js'))})
    const fd = fs.openSync(${JSON.stringify(join(mounted, 'queue'))}, 'w+')
    const file = FileHandle.from(fd, { own: true })
    await forbid()
    console.log(await file.close(), ended.at(-1), kernel.syscall('fcntl', fd, kernel.F.GETFD, 0))
    await engine.engine().close()
    `,
    by,
  )
  if (printed !== undefined) assert.equal(printed, 'undefined close -11 -9\n')
})
