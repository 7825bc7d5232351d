import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { engine } from '#dist/engine/index.js'
import { open } from '#dist/file/index.js'
import { type Connection, connect, listen } from '#dist/net/index.js'
import { pipePool, transfer } from '#dist/transfer/index.js'

process.env.SLUICE_CALIBRATION = 'off'

/** Seconds of random transfers: on request. */
const SOAK_SECONDS = Number(process.env.SLUICE_SOAK ?? 0)
const SIZE = 3_000_000

const folder = mkdtempSync(join(tmpdir(), 'sluice-soak-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')
const content = Buffer.alloc(
  SIZE,
  Uint8Array.from({ length: 251 }, (_, index) => index),
)
writeFileSync(path, content)

/** What this process's descriptors lead to, but for pipes: the pool keeps some, and says how many are out. */
const descriptors = () =>
  readdirSync('/proc/self/fd')
    .flatMap(fd => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return []
      }
    })
    .filter(target => !/^pipe:|\.events$/.test(target))
    .sort()

/** Sends a random piece of the file to each that comes, and to some of them fewer bytes than they expect. */
async function serveFile(connection: Connection): Promise<void> {
  const asked = await connection.read()
  if (asked === null) return
  const [offset = 0, length = 0] = Buffer.from(asked).toString().split(' ').map(Number)
  await using file = await open(path)
  const signal = Math.random() < 0.1 ? AbortSignal.timeout(Math.floor(Math.random() * 5)) : undefined
  try {
    await transfer(file, connection, { offset, length, ...(signal === undefined ? {} : { signal }) })
    await connection.end()
  } catch {
    await connection.reset()
  }
}

/** What a client gets, at its own pace, is the piece of the file, or a beginning of it. */
async function visit(port: number): Promise<void> {
  const offset = Math.floor(Math.random() * SIZE)
  const length = Math.floor(Math.random() ** 2 * (SIZE - offset))
  const connection = await connect({ host: '127.0.0.1', port })
  const most = Math.random() < 0.2 ? Math.random() * length : Infinity
  try {
    await connection.write(`${offset} ${length}`)
    let got = 0
    while (got <= most) {
      const bytes = await connection.read()
      if (bytes === null) break
      assert.ok(
        content.subarray(offset + got, offset + got + bytes.length).equals(bytes),
        `at ${offset + got}`,
      )
      got += bytes.length
      if (Math.random() < 0.01) await new Promise(resolve => setTimeout(resolve, 5))
    }
    assert.ok(got <= length)
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
  } finally {
    if (Math.random() < 0.3) await connection.reset()
    else await connection.close()
  }
}

for (const driver of ['ring', 'epoll'] as const) {
  test(`random transfers to connections that end at random leave nothing behind (${driver})`, {
    skip: SOAK_SECONDS === 0 && 'takes as many seconds as SLUICE_SOAK says',
    timeout: (SOAK_SECONDS + 60) * 1000,
  }, async () => {
    await engine().close()
    engine({ driver })
    const end = Date.now() + SOAK_SECONDS * 1000
    const server = await listen({ host: '127.0.0.1' }, serveFile)
    // What is made once, such as pipes that are kept, is made by the first.
    await Promise.all(Array.from({ length: 20 }, () => visit(server.port)))
    const before = descriptors()
    const client = async () => {
      while (Date.now() < end) await visit(server.port)
    }
    await Promise.all(Array.from({ length: 20 }, client))
    while (server.connections.size > 0) await new Promise(setImmediate)
    const { handles, inFlight, waiting } = engine().stats()
    assert.deepEqual({ handles, inFlight, waiting }, { handles: 1, inFlight: 0, waiting: 0 })
    assert.deepEqual(descriptors(), before)
    const { open: pipes, idle } = pipePool().stats()
    assert.deepEqual({ pipes }, { pipes: idle })
    await server.close()
  })
}
