import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { openSync } from 'node:fs'
import { join } from 'node:path'
import { driverTest, room, succeedChild } from './driver-test.test.support.js'

driverTest('a full disk is ENOSPC, and what fitted is there', async (kit, skip) => {
  const folder = kit.folder()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder], { stdio: 'pipe' })
  } catch (error) {
    skip(`a small tmpfs cannot be mounted here: ${(error as Error).message.split('\n')[1] ?? error}`)
    return
  }
  try {
    const engine = kit.engine()
    const fd = kit.owns(openSync(join(folder, 'file'), 'w+'))
    const results = await Promise.allSettled(
      Array.from({ length: 32 }, (_, index) =>
        engine.write(fd, room(4096).fill(index), 0, 4096, index * 4096),
      ),
    )
    const failed = results.filter(result => result.status === 'rejected')
    assert.equal(failed.length, 16)
    for (const result of failed) assert.equal(result.reason.code, 'ENOSPC')
    await assert.rejects(engine.write(fd, room(4096), 0, 4096, 2 ** 30), { code: 'ENOSPC' })
    kit.closes(fd)
  } finally {
    execFileSync('umount', ['-l', folder])
  }
})

driverTest('when descriptors run out, operations say EMFILE and the engine goes on', kit => {
  const printed = succeedChild(
    kit.driver,
    `
    const engine = new Engine({ driver })
    const fd = fs.openSync(process.execPath)
    const limit = 200
    const set = new BigUint64Array([BigInt(limit), BigInt(limit)])
    kernel.syscall('prlimit64', 0, 7, set, 0)
    const path = kernel.pathBytes(process.execPath)
    const open = () => engine.run((queue, id) => ring.prepareOpenAt(queue, -100, path, 0, 0, id), { syscall: 'open' })
    const fds = []
    const codes = new Set()
    // The epoll driver needs descriptors for its threads at the first open, so some are used up before it.
    while (true) {
      try { fds.push(fs.openSync(process.execPath)) } catch { break }
    }
    for (let index = 0; index < 20; index++) await open().then(fd => fds.push(fd), error => codes.add(error.code))
    console.log([...codes].join())
    console.log(await engine.read(fd, room(100), 0, 100, 0))
    const time = kernel.timespec(1)
    const timeout = () => engine.run((queue, id) => ring.prepareTimeout(queue, time, 0, 0, id), { syscall: 'timeout' })
    await timeout().catch(error => console.log(['ETIME', 'EMFILE'].includes(error.code)))
    for (const fd of fds.splice(0)) fs.closeSync(fd)
    const again = await open()
    console.log(again > 0)
    await timeout().catch(error => console.log(error.code))
    fs.closeSync(again)
    await engine.close()
    `,
  )
  assert.equal(printed, 'EMFILE\n100\ntrue\ntrue\nETIME\n')
})

driverTest('a device that is always full is ENOSPC, of one write and of many', async kit => {
  const engine = kit.engine()
  const full = kit.owns(openSync('/dev/full', 'w'))
  const error = { code: 'ENOSPC', errno: -28, syscall: 'write' }
  const writes = Array.from({ length: 32 }, () => engine.write(full, room(4096), 0, 4096, -1))
  for (const result of await Promise.allSettled(writes)) {
    assert.ok(result.status === 'rejected')
    assert.equal(result.reason.code, 'ENOSPC')
  }
  await assert.rejects(engine.write(full, room(1), 0, 1, 0), error)
  assert.equal(engine.stats().inFlight, 0)
})
