import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { isClientGone } from './called-off.js'
import type { NodeResponse } from './node-answer.js'
import { withServer } from './node-server.test.support.js'
import { sendFile } from './send-file.js'
import { staticFiles } from './static-files.js'

const LARGE = 64 << 20
let root: string

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-failure-'))
  fs.writeFileSync(path.join(root, 'small'), 'hello')
  fs.writeFileSync(path.join(root, 'large'), '')
  fs.truncateSync(path.join(root, 'large'), LARGE)
})

after(() => fs.rmSync(root, { recursive: true }))

/** Asks a server of HTTP/2 for something. @param use is given the request */
async function withHttp2(
  handler: (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void,
  use: (request: http2.ClientHttp2Stream) => Promise<void>,
): Promise<void> {
  const server = http2.createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const request = session.request()
  request.on('error', () => {})
  try {
    await use(request)
  } finally {
    session.destroy()
    server.close()
  }
}

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = http2.constants

for (const code of [NGHTTP2_CANCEL, NGHTTP2_NO_ERROR]) {
  test(`who calls an answer of HTTP/2 off is told of as one who hangs up, code ${code}`, {
    timeout: 30_000,
  }, async () => {
    let told: Promise<{ code?: string }> | undefined
    await withHttp2(
      (_, response) => {
        told = sendFile(response, 'large', { root }).then(
          () => ({}),
          error => error,
        )
      },
      async request => {
        await once(request, 'readable')
        request.close(code)
        assert.equal((await told)?.code, 'ECONNABORTED')
      },
    )
  })

  test(`who has called it off before it begins is told of as well, code ${code}`, {
    timeout: 30_000,
  }, async () => {
    for (const name of ['small', 'large']) {
      const told = new Promise<{ code?: string; cause?: unknown } | undefined>(resolve => {
        withHttp2(
          (request, response) => {
            request.once('aborted', () => sendFile(response, name, { root }, resolve))
            response.stream.additionalHeaders({ ':status': 103 })
          },
          async request => {
            await once(request, 'headers')
            request.close(code)
            await told
          },
        )
      })
      const error = await told
      assert.deepEqual([error?.code, error?.cause], ['ECONNABORTED', undefined], name)
    }
  })

  test(`a stream that a client has called off is closed, code ${code}`, { timeout: 30_000 }, async () => {
    const files = staticFiles(root)
    let closed: Promise<unknown> | undefined
    await withHttp2(
      (request, response) => {
        closed = once(response.stream, 'close').catch(() => {})
        files(Object.assign(request, { url: '/large' }), response, assert.ifError)
      },
      async request => {
        await once(request, 'readable')
        request.close(code)
        await closed
      },
    )
    files.close()
  })
}

test('a file that gets shorter is not told of as a client that has gone', { timeout: 30_000 }, async () => {
  const name = path.join(root, 'shrinking')
  const grow = () => {
    fs.writeFileSync(name, '')
    fs.truncateSync(name, LARGE)
  }
  const codes: (string | undefined)[] = []
  /** Has it sent to a client that takes the rest once it has shrunk. */
  const send = (response: NodeResponse) =>
    sendFile(response, 'shrinking', { root }, error => codes.push(error?.code))
  const shrink = async (received: Readable) => {
    received.on('error', () => {})
    await once(received, 'readable')
    fs.truncateSync(name, LARGE / 2)
    received.resume()
    await new Promise(resolve => received.once('close', resolve))
  }
  grow()
  await withServer(
    (_, response) => send(response),
    async origin => {
      const [response] = await once(http.get(origin, { agent: false }), 'response')
      await shrink(response)
    },
  )
  grow()
  await withHttp2((_, response) => send(response), shrink)
  assert.deepEqual(codes, ['ERR_SLUICE_SHORT', 'ERR_SLUICE_SHORT'])
})

test('only what fails a connection is told of as a client that has gone', () => {
  // As it is after any failure in mid-response: the client must be able to tell.
  const response = { destroyed: true, req: { destroyed: true } } as unknown as NodeResponse
  const isGone = (code: string) => isClientGone(response, Object.assign(new Error(code), { code }))
  const ofConnection = ['EPIPE', 'ECONNRESET', 'ERR_SLUICE_CLOSED', 'ERR_STREAM_PREMATURE_CLOSE']
  const own = ['EAGAIN', 'ENOMEM', 'EACCES', 'EMFILE', 'EIO', 'ERR_SLUICE_SHORT', 'ERR_SLUICE_QUEUE_FULL']
  assert.deepEqual(ofConnection.filter(isGone), ofConnection)
  assert.deepEqual(own.filter(isGone), [])
})

for (const leave of ['destroy', 'resetAndDestroy'] as const) {
  test(`a client of HTTP/1.1 that has gone is told of: ${leave}()`, { timeout: 30_000 }, async () => {
    let told = (_?: { code?: string }) => {}
    const failure = new Promise<{ code?: string } | undefined>(resolve => {
      told = resolve
    })
    await withServer(
      (_, response) => {
        sendFile(response, 'large', { root }, error => told(error))
      },
      async (_, port) => {
        const client = connect(port, '127.0.0.1')
        client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
        await once(client, 'readable')
        client[leave]()
        assert.equal((await failure)?.code, 'ECONNABORTED')
      },
    )
  })
}
