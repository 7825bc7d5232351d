import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, get, type ServerResponse } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, test } from 'node:test'
import { open } from '#dist/file/index.js'
import {
  LentFile,
  Pipe,
  PipePool,
  type PipePoolOptions,
  sendFile,
  type TransferSink,
  type TransferSource,
  tee,
  transfer,
} from '#dist/transfer/index.js'
import { type Call, callWrongly } from '../helpers/wrong-values.js'

process.env.SLUICE_CALIBRATION = 'off'

const folder = mkdtempSync(join(tmpdir(), 'sluice-wrong-transfer-'))
const path = join(folder, 'file')
writeFileSync(path, Buffer.alloc(10_000, 'x'))
const source = openSync(path, 'r')
const sink = openSync('/dev/null', 'w')
after(() => {
  for (const fd of [source, sink]) closeSync(fd)
  rmSync(folder, { recursive: true })
})

async function check(calls: readonly Call[]): Promise<void> {
  const complaints: string[] = []
  for (const call of calls) complaints.push(...(await callWrongly(call)))
  assert.deepEqual(complaints, [])
}

const RANGE = { offset: 0, length: 1, signal: new AbortController().signal }

test('transfers answer wrong arguments with an error that has a code', async () => {
  const file = join(folder, 'sink')
  writeFileSync(file, '')
  const into = openSync(file, 'r+')
  await check([
    { name: 'transfer', args: [source, sink, { ...RANGE, via: 'read+write' }], call: transfer },
    { name: 'transfer', args: [{ fd: source }, { fd: into }, { ...RANGE, position: 0 }], call: transfer },
    { name: 'tee', args: [source, [sink, into], RANGE], call: tee },
    // Each wrong value as one of the sinks.
    { name: 'tee', args: [sink], call: (each: number) => tee(source, [sink, each], RANGE) },
  ])
  closeSync(into)
})

test('pipes and pools answer wrong arguments with an error that has a code', async () => {
  const pool = (work: (pool: PipePool, value: never) => unknown) => async (value: never) => {
    using own = new PipePool({ pipes: 2, capacity: 4096 })
    const result = await work(own, value)
    if (result instanceof Pipe) own.release(result)
  }
  const options: PipePoolOptions = { pipes: 1, capacity: 4096, maxWaiting: 1 }
  await check([
    { name: 'Pipe', args: [{ capacity: 4096 }], call: given => new Pipe(given) },
    {
      name: 'Pipe.read',
      args: [1],
      call: (most: number) => {
        using pipe = new Pipe({ capacity: 4096 })
        return pipe.read(most)
      },
    },
    { name: 'PipePool', args: [options], call: given => new PipePool(given) },
    {
      name: 'PipePool.acquire',
      args: [RANGE.signal],
      call: pool((own, signal) => own.acquire(signal)),
    },
    {
      name: 'PipePool.release',
      args: [undefined],
      call: pool((own, value) => own.release(value ?? (own.take() as Pipe))),
    },
    { name: 'LentFile', args: [source], call: fd => new LentFile(fd) },
  ])
})

test('sendFile() answers wrong arguments with an error that has a code, and has sent nothing', async () => {
  const complaints: string[] = []
  const server = createServer(async (_request, response: ServerResponse) => {
    const send: Call = {
      name: 'sendFile',
      args: [source, { ...RANGE, via: 'sendfile' }],
      // One that is right would end the response.
      call: async (file: never, options: object) => {
        if (!response.headersSent)
          await sendFile(response, file, { ...options, length: -1 }).catch(rejectOther)
      },
    }
    complaints.push(...(await callWrongly(send)))
    for (const wrong of [undefined, null, 1, 'x', {}, []]) {
      await assert.rejects(sendFile(wrong as never, source), { code: 'ERR_INVALID_ARG_TYPE' })
    }
    assert.equal(response.headersSent, false)
    response.end('fine')
  })
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  const body = await new Promise<string>((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, async response => {
      resolve(String(Buffer.concat(await response.toArray())))
    }).on('error', reject)
  })
  server.close()
  assert.equal(body, 'fine')
  assert.deepEqual(complaints, [])
})

/** The length of -1 is refused, unless something else was before. */
function rejectOther(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ERR_OUT_OF_RANGE') throw error
}

test('what is closed is refused as closed, and a signal that was aborted as aborted', async () => {
  const gone = openSync(path, 'r')
  closeSync(gone)
  const file = await open(path)
  await file.close()
  const stream = new PassThrough()
  stream.on('error', () => {}).destroy()
  const socket = new Socket()
  socket.destroy()
  const closed = [gone, { fd: gone }, file, stream, socket] as const
  for (const end of closed) {
    const code = /^(EBADF|ERR_SLUICE_CLOSED)$/
    const refused = (error: NodeJS.ErrnoException & { bytes: number }) => {
      assert.match(String(error.code), code)
      return error.bytes === 0
    }
    await assert.rejects(transfer(end as TransferSource, sink, { length: 1 }), refused)
    await assert.rejects(transfer(source, end as TransferSink, { offset: 0, length: 1 }), refused)
    await assert.rejects(tee(end as TransferSource, [sink], { length: 1 }), refused)
    if (end === stream) continue
    await assert.rejects(tee(source, [sink, end as TransferSink], { offset: 0, length: 1 }), refused)
  }
  const signal = AbortSignal.abort()
  await assert.rejects(transfer(source, sink, { signal }), { name: 'AbortError', bytes: 0 })
  await assert.rejects(tee(source, [sink], { signal }), { name: 'AbortError', bytes: 0 })
  const pool = new PipePool({ pipes: 1, capacity: 4096 })
  await assert.rejects(pool.acquire(signal), { name: 'AbortError' })
  pool.close()
  assert.throws(() => pool.take(), { code: 'ERR_SLUICE_CLOSED' })
  await assert.rejects(pool.acquire(), { code: 'ERR_SLUICE_CLOSED' })
  const pipe = new Pipe({ capacity: 4096 })
  pipe.close()
  for (const use of [() => pipe.pending, () => pipe.read(1)]) {
    assert.throws(use, (error: NodeJS.ErrnoException) =>
      /^(EBADF|ERR_SLUICE_CLOSED)$/.test(String(error.code)),
    )
  }
})
