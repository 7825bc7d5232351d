import assert from 'node:assert/strict'
import { join } from 'node:path'
import { driverTest, type Kit, succeedChild } from './driver-test.test.support.js'

/** A process that may not start another thread until it says `allow()`: the kernel cannot sync its file before that. */
const SHORT = `
  const limit = most => {
    const words = new BigUint64Array(new ArrayBuffer(16))
    kernel.syscall('prlimit64', 0, kernel.RLIMIT.NPROC, 0, words)
    words[0] = most ?? words[1]
    kernel.syscall('prlimit64', 0, kernel.RLIMIT.NPROC, words, 0)
  }
  const allow = () => limit()
  const file = fs.openSync(path, 'w+')
  limit(1n)
  // Root is above the limit.
  if (process.getuid() === 0) process.setuid(65534)
  const probe = new ring.Ring({ entries: 4 })
  ring.prepareNop(probe.submissions, 0)
  probe.submissions.mark(kernel.IOSQE.ASYNC)
  probe.submit(1)
  probe.reap((_, result) => {
    if (result === 0) console.log('free')
    if (result === 0) process.exit()
  })
  probe.close()
  const engine = new Engine({ driver })
  const sync = options => engine.run((queue, id) => ring.prepareFsync(queue, file, 0, id), { syscall: 'fsync', ...options })
  const cancelled = async times => {
    while (engine.stats().completions < times) await new Promise(resolve => setImmediate(resolve))
  }
  const codeOf = promise => promise.then(result => result, error => error.code)
`
/** After so many times the pause is long enough to do something in it. */
const OFTEN = 7

function shortTest(name: string, program: string, expected: string, flags: readonly string[] = []): void {
  const body = (kit: Kit, skip: (reason: string) => void) => {
    const path = JSON.stringify(join(kit.folder(), 'file'))
    const printed = succeedChild(kit.driver, `const path = ${path}\n${SHORT}\n${program}`, flags)
    if (printed === 'free\n') skip('RLIMIT_NPROC keeps no thread of the kernel from being started here')
    else assert.equal(printed, expected)
  }
  driverTest(name, body, ['ring'])
}

shortTest(
  'what the kernel could not begin for want of a thread is asked for anew, until there is one',
  `
  // Some file systems write here and now, where all is as ever.
  const operations = Promise.all([engine.write(file, room(10).fill(7), 1, 8, 2 ** 32), sync()])
  await cancelled(2)
  allow()
  console.log(await operations, engine.stats().submissions > 2)
  const back = room(16)
  console.log(fs.readSync(file, back, 0, 16, 2 ** 32 - 1), back.join(''), engine.stats().bytes, engine.stats().inFlight)
  await engine.close()
  `,
  '[ 8, 0 ] true\n9 0777777770000000 8 0\n',
)

shortTest(
  'it is asked for so often and no more, then fails with EAGAIN and what mends that',
  `
  const error = await sync({ details: { path: 'file' } }).catch(error => error)
  console.log(error.code, error.errno, error.syscall, error.path, error.cause.code)
  console.log(/^EAGAIN: .*, fsync 'file': .*ulimit -u.*pids.max/.test(error.message), error.stack.includes('pids.max'))
  console.log(engine.stats().submissions, engine.stats().inFlight)
  allow()
  console.log(await sync())
  await engine.close()
  `,
  'EAGAIN -11 fsync file ECANCELED\ntrue true\n11 0\n0\n',
)

shortTest(
  'each operation is asked for as often, whatever became of the one before it',
  `
  const codes = []
  for (let round = 0; round < 2; round++) codes.push(await codeOf(sync()))
  console.log(codes.join(), engine.stats().submissions)
  await engine.close()
  `,
  'EAGAIN,EAGAIN 22\n',
)

shortTest(
  'an abort ends at once what is to be asked for anew',
  `
  const controller = new AbortController()
  const usage = { inFlight: 0, idle: () => console.log('idle') }
  const waiting = codeOf(sync({ signal: controller.signal, usage }))
  await cancelled(${OFTEN})
  console.log(engine.stats().inFlight, usage.inFlight)
  controller.abort()
  console.log(engine.stats().inFlight, usage.inFlight)
  console.log(await waiting, engine.stats().submissions)
  await engine.close()
  `,
  `1 1\nidle\n0 0\nABORT_ERR ${OFTEN}\n`,
)

shortTest(
  'what is aborted before the kernel gives it up is not asked for anew',
  `
  const controller = new AbortController()
  const aborted = codeOf(sync({ signal: controller.signal }))
  while (engine.stats().submissions < 1) await new Promise(resolve => setImmediate(resolve))
  controller.abort()
  console.log(await aborted, engine.stats().submissions <= 2)
  await engine.close()
  `,
  'ABORT_ERR true\n',
)

shortTest(
  'closing ends what is to be asked for anew',
  `
  const waiting = codeOf(sync())
  await cancelled(${OFTEN})
  await engine.close()
  console.log(await waiting, engine.stats().submissions)
  `,
  `ECANCELED ${OFTEN}\n`,
)

shortTest(
  'who ends all that a usage counts ends what is to be asked for anew',
  `
  const usage = { inFlight: 0, idle: () => console.log('idle') }
  const waiting = codeOf(sync({ usage }))
  await cancelled(${OFTEN})
  engine.cancelUsage(usage)
  console.log(await waiting, engine.stats().inFlight)
  await engine.close()
  `,
  'idle\nECANCELED 0\n',
)

shortTest(
  'whoever waits for the slot of what is ended before it is asked for anew gets it',
  `
  const small = new Engine({ driver, maxInFlight: 1 })
  const controller = new AbortController()
  const options = { syscall: 'fsync', signal: controller.signal }
  const first = codeOf(small.run((queue, id) => ring.prepareFsync(queue, file, 0, id), options))
  const second = small.run(ring.prepareNop, { syscall: 'nop' })
  while (small.stats().completions < ${OFTEN}) await new Promise(resolve => setImmediate(resolve))
  controller.abort()
  console.log(await first, await second)
  await small.close()
  await engine.close()
  `,
  'ABORT_ERR 0\n',
)

shortTest(
  'memory is held while its operation is to be asked for anew',
  `
  let write
  ;(() => { write = engine.write(file, room(1000).fill(7), 0, 1000, 0) })()
  await cancelled(1)
  for (let round = 0; round < 20; round++) {
    gc()
    if (Array.from({ length: 20 }, () => room(1000).fill(0xee)).length !== 20) break
  }
  allow()
  const back = room(1000)
  console.log(await write, fs.readSync(file, back, 0, 1000, 0), new Set(back))
  await engine.close()
  `,
  '1000 1000 Set(1) { 7 }\n',
  ['--expose-gc'],
)

shortTest(
  'a chain is not asked for anew',
  `
  const prepare = (queue, id) => ring.prepareFsync(queue, file, 0, id)
  const chained = [{ syscall: 'fsync', prepare }, { syscall: 'fsync', prepare }]
  console.log(await Promise.all(engine.chain(chained, kernel.IOSQE.IO_LINK).map(codeOf)), engine.stats().submissions)
  await engine.close()
  `,
  "[ 'ECANCELED', 'ECANCELED' ] 2\n",
)
