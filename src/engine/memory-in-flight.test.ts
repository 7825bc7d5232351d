import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { Mapping } from '../memory/index.js'
import { driverTest, isMapped, room, succeedChild, until } from './driver-test.test.support.js'

driverTest('a buffer collected while in flight stays valid until its completion', kit => {
  const printed = succeedChild(
    kit.driver,
    `
    const engine = new Engine({ driver })
    const [reader, writer] = makePipe()
    const collected = new FinalizationRegistry(() => { gone++ })
    let gone = 0
    const seen = []
    const start = index => {
      const buffer = room(65536)
      collected.register(buffer, index)
      engine.read(reader, buffer, 0, 65536, -1, (bytes, held) => {
        seen.push(Buffer.from(held.buffer, 0, bytes).toString())
      })
    }
    for (let index = 0; index < 20; index++) start(index)
    const churn = async () => {
      for (let round = 0; round < 20; round++) {
        gc()
        // Whatever is freed is given to something else.
        const others = Array.from({ length: 20 }, () => room(65536).fill(0xee))
        await new Promise(resolve => setImmediate(resolve))
        if (others.some(other => other.some(byte => byte !== 0xee))) throw new Error('written to what is not ours')
      }
    }
    await churn()
    if (gone > 0) throw new Error('collected in flight')
    for (let index = 0; index < 20; index++) {
      fs.writeSync(writer, 'x'.repeat(100))
      while (seen.length <= index) await new Promise(resolve => setImmediate(resolve))
    }
    if (seen.some(text => text !== 'x'.repeat(100))) throw new Error('lost')
    await churn()
    if (gone === 0) throw new Error('kept for ever')
    console.log('well')
    await engine.close()
    `,
    ['--expose-gc'],
  )
  assert.equal(printed, 'well\n')
})

driverTest('what only the entry points to lives as long as the operation', kit => {
  succeedChild(
    kit.driver,
    `
    const engine = new Engine({ driver, threads: 1 })
    const folder = fs.mkdtempSync(process.env.TMPDIR ? process.env.TMPDIR + '/sluice-' : '/tmp/sluice-')
    const opens = []
    for (let index = 0; index < 500; index++) {
      const name = folder + '/' + 'name'.repeat(30) + index
      const prepare = (path => (queue, id) =>
        ring.prepareOpenAt(queue, -100, path, kernel.O.CREAT | kernel.O.RDWR, 0o600, id))(kernel.pathBytes(name))
      opens.push(engine.run(prepare, { syscall: 'open' }))
      if (index % 50 === 0) {
        gc()
        await new Promise(resolve => setImmediate(resolve))
        Array.from({ length: 500 }, () => room(130).fill(0x41))
      }
    }
    for (const fd of await Promise.all(opens)) fs.closeSync(fd)
    const names = fs.readdirSync(folder)
    fs.rmSync(folder, { recursive: true })
    if (names.length !== 500 || names.some(name => !/^(name){30}\\d+$/.test(name))) throw new Error('other names')
    await engine.close()
    `,
    ['--expose-gc'],
  )
})

driverTest('a buffer that is transferred in flight does not lose what comes', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  const buffer = room(65536)
  const read = engine.read(reader, buffer, 0, 65536, -1)
  await new Promise(resolve => setImmediate(resolve))
  const moved = structuredClone(buffer.buffer, { transfer: [buffer.buffer as ArrayBuffer] })
  assert.equal(buffer.byteLength, 0)
  writeSync(writer, 'data')
  assert.equal(await read, 4)
  assert.equal(Buffer.from(moved, 0, 4).toString(), 'data')
})

driverTest('a detached buffer is refused before anything is submitted', async kit => {
  const engine = kit.engine()
  const buffer = room(8)
  structuredClone(buffer.buffer, { transfer: [buffer.buffer as ArrayBuffer] })
  await assert.rejects(engine.read(0, buffer, 0, 0, 0), TypeError)
  assert.equal(engine.stats().inFlight, 0)
})

driverTest('a mapping stays mapped while an operation points into it', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  const mapping = new Mapping({ length: 4096 })
  const { address } = mapping
  const read = engine.read(reader, mapping.bytes, 0, 16, -1)
  await new Promise(resolve => setImmediate(resolve))
  mapping.unmap()
  assert.equal(mapping.bytes.byteLength, 0)
  assert.equal(isMapped(address), true)
  writeSync(writer, 'data')
  assert.equal(await read, 4)
  await until(() => !isMapped(address), 'it is unmapped')
})
