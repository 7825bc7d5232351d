import assert from 'node:assert/strict'
import { chmod, readdir } from 'node:fs/promises'
import test, { type TestContext } from 'node:test'
import { type ChainedOperation, engine, type OperationOptions, type Prepare } from '../../engine/index.js'
import { errnoOf, SQE_WORD, systemError } from '../../kernel/index.js'
import { contents, SMALL, sample, samples, scratch } from './append-log.test.support.js'
import { AppendLog, type AppendLogOptions } from './index.js'
import type { LogEngine } from './log-file.js'

/** An engine whose operations fail as they are told, one plan an operation; without a plan, they work. */
class FailingEngine implements LogEngine {
  /** For each coming write with its sync: what fails, or how many bytes get through. */
  readonly commits: ({ write: string } | { sync: string } | { bytes: number } | undefined)[] = []
  /** For other operations, by their system call's name. */
  readonly others = new Map<string, string>()

  chain(chained: readonly ChainedOperation[], link: number): Promise<unknown>[] {
    const plan = this.commits.shift()
    if (plan === undefined) return engine().chain(chained, link)
    if ('write' in plan) return [failure(plan.write, 'write'), failure('ECANCELED', 'fdatasync')]
    if ('sync' in plan) return [engine().chain([chained[0]], 0)[0], failure(plan.sync, 'fdatasync')]
    const [write] = chained
    const prepare: Prepare = (queue, userData) => {
      if (!write.prepare(queue, userData)) return false
      queue.words[queue.last + SQE_WORD.LEN] = plan.bytes
      return true
    }
    return [engine().chain([{ ...write, prepare }], 0)[0], failure('ECANCELED', 'fdatasync')]
  }

  run<T>(prepare: Prepare, options: OperationOptions): Promise<T> {
    const code = this.others.get(options.syscall)
    return code === undefined
      ? engine().run<T>(prepare, options)
      : (failure(code, options.syscall) as Promise<T>)
  }

  read: LogEngine['read'] = (...args) => engine().read(...args)
  write: LogEngine['write'] = (...args) => {
    const code = this.others.get('write')
    return code === undefined ? engine().write(...args) : failure(code, 'write')
  }
}

function failure(code: string, syscall: string): Promise<never> {
  return Promise.reject(systemError(errnoOf(code), syscall))
}

async function failingLog(t: TestContext, options: AppendLogOptions = SMALL) {
  const failing = new FailingEngine()
  const directory = await scratch(t)
  const log = await AppendLog.open(directory, options, () => failing)
  return { failing, directory, log }
}

/** Appends records of those numbers in one batch. @returns for each, its position or the code of its error */
async function appendAll(log: AppendLog, from: number, to: number): Promise<(number | string)[]> {
  const appends = Array.from({ length: to - from }, (_, index) => log.append(sample(from + index)))
  const settled = await Promise.allSettled(appends)
  return settled.map(result => (result.status === 'fulfilled' ? result.value : result.reason.code))
}

test('a failed write is told to its batch alone, and leaves nothing behind', async t => {
  const { failing, directory, log } = await failingLog(t)
  const before = await appendAll(log, 0, 10)
  assert.ok(before.every(position => typeof position === 'number'))
  failing.commits.push({ write: 'ENOSPC' })
  assert.deepEqual(await appendAll(log, 10, 15), Array(5).fill('ENOSPC'))
  assert.ok((await appendAll(log, 15, 20)).every(position => typeof position === 'number'))
  const expected = [...samples(0, 10), ...samples(15, 20)]
  assert.deepEqual(await contents(log), expected)
  assert.equal(log.stats().records, 15)
  assert.equal(log.stats().failed, false)
  await log.close()
  assert.deepEqual(await contents(directory), expected)
})

test('a write or a sync that the kernel gave up before it began is asked for by itself', async t => {
  const { failing, directory, log } = await failingLog(t)
  failing.commits.push({ write: 'ECANCELED' })
  assert.ok((await appendAll(log, 0, 5)).every(position => typeof position === 'number'))
  failing.commits.push({ sync: 'ECANCELED' })
  assert.ok((await appendAll(log, 5, 10)).every(position => typeof position === 'number'))
  assert.equal(failing.commits.length, 0)
  failing.commits.push({ write: 'ECANCELED' })
  failing.others.set('write', 'ENOSPC')
  assert.deepEqual(await appendAll(log, 10, 12), ['ENOSPC', 'ENOSPC'])
  assert.equal(log.stats().failed, false)
  failing.commits.push({ sync: 'ECANCELED' })
  failing.others.set('fdatasync', 'EIO')
  assert.deepEqual(await appendAll(log, 10, 12), ['EIO', 'EIO'])
  assert.equal(log.stats().failed, true)
  await log.close()
  assert.deepEqual(await contents(directory), samples(0, 10))
})

test('of a write that stops half-way the whole records are kept, and only the others reject', async t => {
  for (const bytes of [1, 24, 250, 600]) {
    const { failing, directory, log } = await failingLog(t)
    await appendAll(log, 0, 3)
    failing.commits.push({ bytes }, { write: 'ENOSPC' })
    const results = await appendAll(log, 3, 20)
    const kept = results.filter(result => typeof result === 'number').length
    assert.ok(results.slice(kept).every(result => result === 'ENOSPC'))
    assert.ok(kept < 17 && (bytes < 30 ? kept === 0 : kept > 0))
    // What is appended now is shorter than what the failed batch had written.
    await log.append(sample(0))
    const expected = [...samples(0, 3 + kept), ...samples(0, 1)]
    assert.deepEqual(await contents(log), expected)
    await log.close()
    assert.deepEqual(await contents(directory), expected)
  }
})

test('a short write is gone on with', async t => {
  const { failing, log } = await failingLog(t)
  failing.commits.push({ bytes: 100 }, { write: 'EAGAIN' }, { bytes: 1 }, { write: 'EINTR' })
  assert.ok((await appendAll(log, 0, 10)).every(position => typeof position === 'number'))
  assert.deepEqual(await contents(log), samples(0, 10))
  assert.equal(log.stats().batches, 1)
  await log.close()
})

test('a write that moves nothing fails, rather than be tried for ever', async t => {
  const { failing, log } = await failingLog(t)
  failing.commits.push({ bytes: 0 })
  assert.deepEqual(await appendAll(log, 1, 3), ['EIO', 'EIO'])
  assert.ok((await appendAll(log, 1, 3)).every(position => typeof position === 'number'))
  await log.close()
})

test('after a failed sync no append ever succeeds, and what was durable can be read', async t => {
  const { failing, directory, log } = await failingLog(t)
  await appendAll(log, 0, 5)
  failing.commits.push({ sync: 'EIO' })
  const hit = appendAll(log, 5, 8)
  await new Promise(setImmediate)
  const gathered = appendAll(log, 8, 10)
  const following = assert.rejects(log.read({ from: log.end, follow: true }).next(), {
    code: 'ERR_SLUICE_LOG_FAILED',
  })
  assert.deepEqual(await hit, ['EIO', 'EIO', 'EIO'])
  assert.deepEqual(await gathered, ['ERR_SLUICE_LOG_FAILED', 'ERR_SLUICE_LOG_FAILED'])
  await following
  await assert.rejects(log.append(sample(1)), error => {
    const { code, cause } = error as { code: string; cause: NodeJS.ErrnoException }
    return code === 'ERR_SLUICE_LOG_FAILED' && cause.code === 'EIO' && cause.syscall === 'fdatasync'
  })
  assert.equal(log.stats().failed, true)
  assert.deepEqual(await contents(log), samples(0, 5))
  await log.close()
  const again = await AppendLog.open(directory, SMALL)
  assert.deepEqual(await contents(again), samples(0, 5))
  await again.append(sample(5))
  await again.close()
})

test('appends that wait for room are told of a failed sync too', async t => {
  const { failing, log } = await failingLog(t, { ...SMALL, queueBytes: 512 })
  failing.commits.push({ sync: 'EIO' })
  const results = await appendAll(log, 0, 30)
  const hit = results.filter(code => code === 'EIO').length
  assert.ok(hit > 0 && hit < 30)
  assert.ok(results.slice(hit).every(code => code === 'ERR_SLUICE_LOG_FAILED'))
  await log.close()
})

test('a sync that fails while a failed write is undone poisons the log', async t => {
  const { failing, log } = await failingLog(t)
  failing.commits.push({ write: 'ENOSPC' })
  failing.others.set('fdatasync', 'EIO')
  assert.deepEqual(await appendAll(log, 0, 2), ['EIO', 'EIO'])
  assert.deepEqual(await appendAll(log, 0, 1), ['ERR_SLUICE_LOG_FAILED'])
  await log.close()
})

test('where no segment can be begun the appends that need it are told, and the log goes on when one can', async t => {
  const { failing, directory, log } = await failingLog(t, { ...SMALL, segmentBytes: 4096 })
  let count = 0
  while (log.stats().end < 1800) await log.append(sample(count++))
  failing.others.set('write', 'ENOSPC')
  const failed: string[] = []
  while (failed.length < 3) {
    const [result] = await appendAll(log, count, count + 1)
    if (typeof result === 'string') failed.push(result)
    else count++
  }
  assert.deepEqual(failed, ['ENOSPC', 'ENOSPC', 'ENOSPC'])
  failing.others.clear()
  for (const end = count + 30; count < end; count++) await log.append(sample(count))
  assert.deepEqual(await contents(log), samples(0, count))
  assert.ok(log.stats().segments > 1)
  await log.close()
  assert.deepEqual(await contents(directory), samples(0, count))
})

test('a segment whose name cannot be made durable poisons the log, and nothing in it is acknowledged', async t => {
  if (process.getuid?.() === 0) return t.skip('to root, every folder is open')
  const { directory, log } = await failingLog(t, { ...SMALL, segmentBytes: 4096 })
  let count = 0
  while (log.stats().end < 1800) await log.append(sample(count++))
  const outcomes: (number | string)[] = []
  // Files can be made and renamed in it still, but it cannot be opened to be synced.
  await chmod(directory, 0o300)
  try {
    while (log.stats().failed === false) outcomes.push(...(await appendAll(log, count, ++count)))
  } finally {
    await chmod(directory, 0o700)
  }
  assert.equal(outcomes.pop(), 'EACCES')
  count--
  assert.ok(outcomes.every(outcome => typeof outcome === 'number'))
  assert.deepEqual(await appendAll(log, count, count + 1), ['ERR_SLUICE_LOG_FAILED'])
  assert.deepEqual(await contents(log), samples(0, count))
  await log.close()
  await using again = await AppendLog.open(directory, SMALL)
  assert.deepEqual(await contents(again), samples(0, count))
  await again.append(sample(count))
  assert.deepEqual(await contents(again), samples(0, count + 1))
})

test('without room to prepare a segment it is used unprepared', async t => {
  const failing = new FailingEngine()
  failing.others.set('fallocate', 'ENOSPC')
  const directory = await scratch(t)
  const log = await AppendLog.open(directory, { segmentBytes: 8192, preallocate: 'zeros' }, () => failing)
  for (let index = 0; index < 200; index++) await log.append(sample(index))
  assert.deepEqual(await contents(log), samples(0, 200))
  await log.close()
})

test('an opening that fails leaves neither lock nor descriptor', async t => {
  const { failing, directory, log } = await failingLog(t)
  await log.append(sample(3))
  await log.close()
  const before = (await readdir('/proc/self/fd')).length
  failing.others.set('fdatasync', 'EIO')
  await assert.rejects(
    AppendLog.open(directory, SMALL, () => failing),
    { code: 'EIO', syscall: 'fdatasync' },
  )
  failing.others.clear()
  assert.equal((await readdir('/proc/self/fd')).length, before)
  const again = await AppendLog.open(directory, SMALL, () => failing)
  assert.deepEqual(await contents(again), samples(3, 4))
  await again.close()
})
