import assert from 'node:assert/strict'
import { driverTest, runChild, succeedChild } from './driver-test.test.support.js'

driverTest('a process whose engine is idle ends', kit => {
  succeedChild(kit.driver, 'new Engine({ driver })')
  const printed = succeedChild(
    kit.driver,
    `
    const engine = new Engine({ driver })
    const fd = fs.openSync(process.execPath)
    console.log(await engine.read(fd, room(4096), 0, 4096, 0))
    await engine.write(fs.openSync('/dev/null', 'w'), room(10), 0, 10, 0)
    `,
  )
  assert.equal(printed, '4096\n')
})

driverTest('a pending operation keeps the process alive, until it is cancelled', kit => {
  const printed = succeedChild(
    kit.driver,
    `
    const engine = new Engine({ driver })
    const [reader, writer] = makePipe()
    const controller = new AbortController()
    engine.read(reader, room(8), 0, 8, -1, undefined, controller.signal).then(
      bytes => console.log('read', bytes),
      error => console.log(error.name),
    )
    engine.read(reader, room(8), 0, 8, -1).then(bytes => {
      console.log('read', bytes)
      controller.abort()
    })
    // Unreferenced: only the reads keep the process waiting for it.
    setTimeout(() => fs.writeSync(writer, process.env.TEST_DRIVER), 50).unref()
    setTimeout(() => fs.writeSync(writer, process.env.TEST_DRIVER), 100).unref()
    process.on('exit', () => console.log('exit'))
    `,
  )
  const lines = printed.trimEnd().split('\n')
  assert.equal(lines.length, 3)
  assert.ok(lines[0].startsWith('read '))
  assert.ok(lines[1] === 'AbortError' || lines[1].startsWith('read '))
  assert.equal(lines[2], 'exit')
})

driverTest('a background operation does not keep the process alive', kit => {
  const printed = succeedChild(
    kit.driver,
    `
    const engine = new Engine({ driver })
    const [reader, writer] = makePipe()
    const poll = foreground => engine.multishot(
      (queue, id) => ring.preparePollMultishot(queue, reader, kernel.POLL.IN, 0, id),
      () => console.log('told'),
      undefined,
      true,
    )
    poll()
    fs.writeSync(writer, 'x')
    await engine.run(ring.prepareNop, { syscall: 'nop' })
    const time = kernel.timespec(20)
    await engine.run((queue, id) => ring.prepareTimeout(queue, time, 0, 0, id), { syscall: 'timeout' }).catch(() => {})
    process.on('exit', () => console.log('exit'))
    `,
  )
  assert.equal(printed, 'told\nexit\n')
})

driverTest('a multishot in the foreground keeps the process alive until its end', kit => {
  const printed = succeedChild(
    kit.driver,
    `
    const engine = new Engine({ driver })
    const time = kernel.timespec(10)
    let ticks = 0
    engine.multishot(
      (queue, id) => ring.prepareTimeout(queue, time, 3, kernel.IORING_TIMEOUT.MULTISHOT, id),
      () => ticks++,
      time,
    )
    process.on('exit', () => console.log(ticks))
    `,
  )
  assert.equal(printed, '3\n')
})

driverTest('process.exit() in mid-flight ends at once, with its code', kit => {
  const started = Date.now()
  const { status, signal, stderr } = runChild(
    kit.driver,
    `
    const engine = new Engine({ driver })
    const [reader] = makePipe()
    const file = fs.openSync(process.execPath)
    for (let index = 0; index < 200; index++) {
      engine.read(reader, room(65536), 0, 65536, -1)
      engine.read(file, room(65536), 0, 65536, index * 65536)
      engine.write(fs.openSync('/dev/null', 'w'), room(65536), 0, 65536, 0)
    }
    setImmediate(() => process.exit(7))
    `,
  )
  assert.deepEqual({ status, signal }, { status: 7, signal: null }, stderr)
  assert.ok(Date.now() - started < 50_000)
})

// On the ring the kernel's first attempt is non-blocking, and ENXIO where nobody reads.
driverTest(
  'process.exit() does not wait for the opening of a FIFO',
  kit => {
    const { status, signal, stderr } = runChild(
      kit.driver,
      `
    import { execFileSync } from 'node:child_process'
    const folder = fs.mkdtempSync((process.env.TMPDIR ?? '/tmp') + '/sluice-')
    execFileSync('mkfifo', [folder + '/fifo'])
    const engine = new Engine({ driver })
    const path = kernel.pathBytes(folder + '/fifo')
    engine.run((queue, id) => ring.prepareOpenAt(queue, -100, path, kernel.O.WRONLY, 0, id), { syscall: 'open' })
    setTimeout(() => {
      fs.rmSync(folder, { recursive: true })
      process.exit(3)
    }, 20)
    `,
    )
    assert.deepEqual({ status, signal }, { status: 3, signal: null }, stderr)
  },
  ['epoll'],
)

driverTest('an uncaught exception in mid-flight ends the process as ever', kit => {
  const { status, signal, stderr } = runChild(
    kit.driver,
    `
    const engine = new Engine({ driver })
    const [reader] = makePipe()
    engine.read(reader, room(8), 0, 8, -1)
    setImmediate(() => { throw new Error('on purpose') })
    `,
  )
  assert.deepEqual({ status, signal }, { status: 1, signal: null }, stderr)
  assert.match(stderr, /on purpose/)
})
