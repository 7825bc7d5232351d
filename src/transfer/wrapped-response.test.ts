import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import * as http2 from 'node:http2'
import { type AddressInfo, createConnection } from 'node:net'
import { after, before, test } from 'node:test'
import { createGzip, gunzipSync } from 'node:zlib'
import { countAfterEach, scratchFile, someBytes } from './ends.test.support.js'
import { sendFile, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const bytes = someBytes(3_000_000)
let file: number
before(() => {
  file = openSync(scratchFile(bytes), 'r')
})
after(() => closeSync(file))

/** Compresses what is written to a response, as the middleware `compression` does: it knows no callbacks. */
function compress(response: ServerResponse): void {
  const { write, end, on } = response
  const gzip = createGzip()
  response.setHeader('Content-Encoding', 'gzip')
  const { setHeader } = response
  response.setHeader = (name, value) =>
    name.toLowerCase() === 'content-length' ? response : setHeader.call(response, name, value)
  response.write = ((chunk: Uint8Array) => gzip.write(chunk)) as ServerResponse['write']
  response.end = ((chunk?: Uint8Array) => {
    if (chunk === undefined) gzip.end()
    else gzip.end(chunk)
    return response
  }) as ServerResponse['end']
  response.on = ((event: string, listener: () => void) =>
    event === 'drain' ? gzip.on(event, listener) : on.call(response, event, listener)) as ServerResponse['on']
  gzip.on('data', chunk => {
    if (write.call(response, chunk, 'utf8') === false) gzip.pause()
  })
  gzip.on('end', () => end.call(response, undefined, 'utf8'))
  on.call(response, 'drain', () => gzip.resume())
  on.call(response, 'close', () => gzip.destroy())
}

/** Hands all that comes over, watching only. */
function watch(response: ServerResponse, seen: { bytes: number }): void {
  const { write } = response
  response.write = ((chunk: Uint8Array, ...rest: [BufferEncoding]) => {
    seen.bytes += chunk.length
    return write.call(response, chunk, ...rest)
  }) as ServerResponse['write']
}

/** What a client of this version of HTTP gets. @returns head and body, as they came */
async function ask(version: string, answer: (response: ServerResponse) => Promise<unknown>) {
  const failures: unknown[] = []
  const server = createServer((_request, response) => {
    answer(response).catch(error => {
      failures.push(error)
      response.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write(`GET / HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`)
  const all = Buffer.concat(await socket.toArray())
  server.close()
  assert.deepEqual(failures, [])
  const end = all.indexOf('\r\n\r\n') + 4
  const head = String(all.subarray(0, end)).toLowerCase()
  const rest = all.subarray(end)
  return { head, body: head.includes('transfer-encoding: chunked') ? withoutChunks(rest) : rest }
}

function withoutChunks(rest: Buffer): Buffer {
  const chunks: Buffer[] = []
  for (let at = 0; ; ) {
    const line = rest.indexOf('\r\n', at)
    const length = Number.parseInt(String(rest.subarray(at, line)), 16)
    assert.ok(length >= 0)
    if (length === 0) return Buffer.concat(chunks)
    chunks.push(rest.subarray(line + 2, line + 2 + length))
    at = line + 2 + length + 2
  }
}

for (const version of ['1.0', '1.1']) {
  test(`HTTP/${version}: a file goes through whoever compresses the response`, {
    timeout: 60_000,
  }, async () => {
    for (const length of [1, 1000, 65_537, bytes.length]) {
      const { head, body } = await ask(version, async response => {
        compress(response)
        assert.equal((await sendFile(response, file, { length })).bytes, length)
      })
      assert.match(head, /content-encoding: gzip/)
      assert.ok(gunzipSync(body).equals(bytes.subarray(0, length)), `${length} bytes arrived altered`)
    }
    const { body } = await ask(version, async response => {
      compress(response)
      const { via, bytes: moved } = await transfer(file, response, { offset: 0 })
      assert.deepEqual([via, moved], ['stream', bytes.length])
      response.end()
    })
    assert.ok(gunzipSync(body).equals(bytes))
  })

  test(`HTTP/${version}: whoever watches what is written sees all of it`, { timeout: 60_000 }, async () => {
    const seen = { bytes: 0 }
    const { head, body } = await ask(version, async response => {
      watch(response, seen)
      await sendFile(response, file)
    })
    assert.match(head, new RegExp(`content-length: ${bytes.length}`))
    assert.ok(body.equals(bytes))
    assert.equal(seen.bytes, bytes.length)
  })
}

test('HTTP/2: a file goes through whoever compresses the response', { timeout: 60_000 }, async () => {
  const told: unknown[] = []
  const server = http2.createServer(async (request, response) => {
    compress(response as unknown as ServerResponse)
    const length = Number(request.url.slice(1))
    told.push(await sendFile(response, file, { length }).then(result => result.bytes, String))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const lengths = [1000, bytes.length]
  for (const length of lengths) {
    const body = Buffer.concat(await session.request({ ':path': `/${length}` }).toArray())
    assert.ok(gunzipSync(body).equals(bytes.subarray(0, length)), `${length} bytes arrived altered`)
  }
  session.close()
  await once(session, 'close')
  server.close()
  assert.deepEqual(told, lengths)
})

test('a client that goes away ends what goes through whoever compresses', { timeout: 60_000 }, async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const [, response] = (await once(server, 'request')) as [unknown, ServerResponse]
  compress(response)
  const sent = sendFile(response, file)
  await once(socket, 'readable')
  socket.destroy()
  await assert.rejects(sent, { code: 'ERR_SLUICE_CLOSED' })
  server.close()
})
