import { driverTest, succeedChild } from './driver-test.test.support.js'

const FILE = JSON.stringify(new URL('../file/index.js', import.meta.url).href)

// A handler, so that a signal interrupts system calls rather than end the process.
const STORM = `
  import { spawn } from 'node:child_process'
  process.env.SLUICE_DRIVER = driver
  const { open, FileHandle } = await import(${FILE})
  let signals = 0
  process.on('SIGUSR1', () => signals++)
  const storm = spawn('sh', ['-c', 'while kill -USR1 ' + process.pid + ' 2>/dev/null; do :; done'])
  const folder = fs.mkdtempSync((process.env.TMPDIR ?? '/tmp') + '/sluice-')
  const path = folder + '/file'
  const expect = (what, got, wanted) => {
    if (got !== wanted) throw new Error(what + ': ' + got + ', not ' + wanted)
  }
`

driverTest('signals cut no operation of an engine short, and lose none', kit => {
  succeedChild(
    kit.driver,
    `${STORM}
    const engine = new Engine({ driver })
    const fd = fs.openSync(path, 'w+')
    const [reader, writer] = makePipe()
    for (let round = 0; round < 15 || signals < 30; round++) {
      const waiting = engine.read(reader, room(4), 0, 4, -1)
      const text = room(200_000).fill(round)
      expect('write', await engine.write(fd, text, 0, text.length, 0), text.length)
      const back = room(200_000)
      expect('read', await engine.read(fd, back, 0, back.length, 0), back.length)
      expect('content', Buffer.compare(text, back), 0)
      expect('sync', await engine.run((queue, id) => ring.prepareFsync(queue, fd, 1, id), { syscall: 'fsync' }), 0)
      expect('pipe', await engine.write(writer, room(4), 0, 4, -1), 4)
      expect('waiting', await waiting, 4)
    }
    storm.kill()
    await engine.close()
    process.removeAllListeners('SIGUSR1')
    fs.rmSync(folder, { recursive: true })
    `,
  )
})

driverTest('signals cut no operation on a file short', kit => {
  succeedChild(
    kit.driver,
    `${STORM}
    for (let round = 0; round < 10 || signals < 30; round++) {
      const text = Buffer.alloc(300_000, round)
      const file = await open(path, 'w+')
      await file.writeFile(text)
      await file.sync()
      expect('size', (await file.stat()).size, text.length)
      const halves = [Buffer.alloc(150_000), Buffer.alloc(150_000)]
      expect('readv', (await file.readv(halves, 0)).bytesRead, text.length)
      expect('content', Buffer.compare(Buffer.concat(halves), text), 0)
      await file.close()
      const again = await open(path)
      expect('readFile', Buffer.compare(await again.readFile(), text), 0)
      await again.close()
    }
    const [reader, writer] = makePipe()
    const pipe = FileHandle.from(reader, { own: true })
    const before = signals
    const waiting = pipe.read(Buffer.alloc(4))
    while (signals < before + 20) await new Promise(resolve => setImmediate(resolve))
    fs.writeSync(writer, 'data')
    expect('waiting', String((await waiting).buffer), 'data')
    storm.kill()
    await pipe.close()
    process.removeAllListeners('SIGUSR1')
    fs.rmSync(folder, { recursive: true })
    `,
  )
})
