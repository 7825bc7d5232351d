import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { addressOf, errnoOf, FdWatcher, pathBytes, SYSCALL, SyscallPool } from './index.js'

/** Reaps on the eventfd's word and calls back, until stopped. */
function watch(pool: SyscallPool, callback: (mark: number, result: number) => void): FdWatcher {
  const watcher = new FdWatcher(pool.eventFd, () => pool.reap(callback))
  watcher.start()
  watcher.ref()
  return watcher
}

test('a job gives what the call returned, or -errno, with its mark', async () => {
  const pool = new SyscallPool({ threads: 2, capacity: 4 })
  const results = new Map<number, number>()
  await new Promise<void>(resolve => {
    const watcher = watch(pool, (mark, result) => {
      results.set(mark, result)
      if (results.size < 2) return
      watcher.close()
      resolve()
    })
    pool.push(SYSCALL.getpid, 2 ** 40)
    pool.push(SYSCALL.close, 7, -1)
    pool.submit()
  })
  assert.deepEqual(
    results,
    new Map([
      [2 ** 40, process.pid],
      [7, -errnoOf('EBADF')],
    ]),
  )
  assert.equal(pool.underWay, 0)
  pool.close()
})

test('a full pool refuses a job', () => {
  const pool = new SyscallPool({ threads: 1, capacity: 2 })
  assert.equal(pool.push(SYSCALL.getpid, 1), true)
  assert.equal(pool.push(SYSCALL.getpid, 2), true)
  assert.equal(pool.push(SYSCALL.getpid, 3), false)
  pool.close()
})

test('no wake-up is lost when results are also reaped without one', async () => {
  const pool = new SyscallPool({ threads: 8, capacity: 128 })
  const file = openSync('/proc/self/exe', 'r')
  const memory = new Uint8Array(new ArrayBuffer(16 * 1024))
  const address = addressOf(memory)
  const jobs = 50_000
  let started = 0
  let ended = 0
  await new Promise<void>(resolve => {
    let scheduled = false
    const turn = () => {
      scheduled = false
      pool.submit()
      // As a driver does: whatever has come by the time of a submission is taken with it.
      if (pool.ready) pool.reap(done)
    }
    const next = () => {
      if (started === jobs) return
      // Of different lengths, so that some end while others are being reaped.
      pool.push(SYSCALL.pread64, ++started, file, address, 4096, 0)
      if (scheduled) return
      scheduled = true
      setImmediate(turn)
    }
    const done = () => {
      next()
      if (++ended < jobs) return
      watcher.close()
      resolve()
    }
    const watcher = watch(pool, done)
    for (let job = 0; job < 2; job++) next()
  })
  assert.equal(ended, jobs)
  pool.close()
  closeSync(file)
})

test('a call that waits can be interrupted, and does not keep the pool from closing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-pool-'))
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  const path = pathBytes(fifo)
  const pool = new SyscallPool({ threads: 1, capacity: 2 })
  try {
    const result = await new Promise<number>(resolve => {
      let insisting: NodeJS.Immediate | undefined
      const watcher = watch(pool, (_, result) => {
        clearImmediate(insisting)
        watcher.close()
        resolve(result)
      })
      pool.push(SYSCALL.openat, 5, -100, addressOf(path), 0)
      pool.submit()
      // The signal is lost before the call has begun to wait.
      const insist = () => {
        pool.interrupt(5)
        insisting = setImmediate(insist)
      }
      insist()
    })
    assert.equal(result, -errnoOf('EINTR'))
    assert.equal(pool.interrupt(5), false)
    pool.push(SYSCALL.openat, 6, -100, addressOf(path), 0)
    pool.submit()
  } finally {
    pool.close()
    rmSync(folder, { recursive: true })
  }
})

test('what comes behind a callback that throws is signalled again', async () => {
  const pool = new SyscallPool({ threads: 1, capacity: 8 })
  for (let mark = 0; mark < 8; mark++) assert.ok(pool.push(SYSCALL.getpid, mark))
  pool.submit()
  const seen: number[] = []
  await new Promise<void>(resolve => {
    const watcher = new FdWatcher(pool.eventFd, () => {
      const fail = () =>
        pool.reap(mark => {
          seen.push(mark)
          throw new Error('not this one')
        })
      if (pool.ready) assert.throws(fail, /not this one/)
      if (pool.underWay > 0) return
      watcher.close()
      resolve()
    })
    watcher.start()
    watcher.ref()
  })
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7])
  pool.close()
})

test('a pool that is forgotten with a job under way ends its threads and leaves no descriptor', () => {
  const program = `
    import { readdirSync } from 'node:fs'
    import { setImmediate } from 'node:timers/promises'
    import { SYSCALL, SyscallPool, syscall } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)}
    const count = () => readdirSync('/proc/self/fd').length + readdirSync('/proc/self/task').length
    const pipe = new Int32Array(new ArrayBuffer(8))
    syscall('pipe2', pipe, 0)
    const before = count()
    const forget = () => {
      const pool = new SyscallPool({ threads: 2, capacity: 4 })
      pool.push(SYSCALL.read, 1, pipe[0], 0, 0)
      pool.push(SYSCALL.ppoll, 2, 0, 0, 0)
      pool.submit()
    }
    for (let index = 0; index < 5; index++) forget()
    for (let round = 0; round < 100 && count() !== before; round++) {
      gc()
      await setImmediate()
    }
    if (count() !== before) throw new Error(\`\${count()} instead of \${before}\`)
  `
  const args = ['--expose-gc', '--input-type=module', '--eval', program]
  execFileSync(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'], timeout: 60_000 })
})
