import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { openMeter } from '../observe/index.js'
import { staticFiles } from './index.js'
import { withServer } from './node-server.test.support.js'

const MEBIBYTE = 2 ** 20
const ROUNDS = 8
const REQUESTS = 100
/**
 * Node reads the request and waits for the next one; the file's length is looked at; a cork is looked for, put in and pulled; the
 * head is written, and the file sent. Whoever borrows the socket needs twice as many.
 */
const MOST_CALLS = 14

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-middleware-cost-'))
fs.writeFileSync(path.join(root, 'mebibyte'), Buffer.alloc(MEBIBYTE, 'x'))
after(() => fs.rmSync(root, { recursive: true }))

/** For each line that comes, asks so many times over one connection, then says so. */
const CLIENT = `
const http = require('node:http')
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const ask = url => new Promise((resolve, reject) => {
  http.get(url, { agent }, response => response.resume().once('end', resolve)).once('error', reject)
})
require('node:readline').createInterface(process.stdin).on('line', async url => {
  for (let request = 0; request < ${REQUESTS}; request++) await ask(url)
  console.log('done')
}).on('close', () => process.exit())
`

test('a large file costs a few system calls, however often it is sent', { timeout: 60_000 }, async t => {
  // Before the meter, which counts what is begun later as this process's.
  const client = spawn(process.execPath, ['-e', CLIENT], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface(client.stdout)
  t.after(() => client.kill())
  const meter = openMeter()
  t.after(() => meter.close())
  const note = meter.notes.find(text => text.startsWith('system calls'))
  if (note !== undefined) return t.skip(note)
  using files = staticFiles(root)
  let least = Number.POSITIVE_INFINITY
  await withServer(
    (request, response) => files(request, response, () => response.writeHead(404).end()),
    async origin => {
      for (let round = 0; round < ROUNDS; round++) {
        meter.start()
        client.stdin.write(`${origin}/mebibyte\n`)
        await once(lines, 'line')
        least = Math.min(least, meter.stop().systemCalls?.value ?? 0)
      }
    },
  )
  assert.ok(least <= MOST_CALLS * REQUESTS, `${least / REQUESTS} calls for each`)
  t.diagnostic(`${least / REQUESTS} system calls a request`)
})
