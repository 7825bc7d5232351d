import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runChild } from '../helpers/child.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-congestion-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'file')
const BYTES = 4 << 20
writeFileSync(path, Buffer.alloc(BYTES, 'paced'))

const importOf = (file: string) => `await import(${JSON.stringify(import.meta.resolve(`#dist/${file}`))})`

/** Fails with EPERM as the kernel does where `reno` is not among what users may choose. */
const PROGRAM = `
  import { createServer, get } from 'node:http'
  import { openSync } from 'node:fs'
  const { sendFile } = ${importOf('transfer/index.js')}
  const { listen } = ${importOf('net/index.js')}
  const { congestionOf, setCongestion } = ${importOf('net/congestion.js')}
  const file = openSync(${JSON.stringify(path)})
  const server = createServer((_, response) => {
    sendFile(response, file).catch(error => console.log(error.code))
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  try {
    setCongestion(server._handle.fd, 'bbr')
  } catch {
    console.log('no bbr')
    process.exit()
  }
  refuseIoUring({ code: 'EPERM', calls: ['setsockopt'], argument: { index: 2, value: kernel.TCP.CONGESTION } })
  const response = await new Promise(resolve => get({ port: server.address().port, agent: false }, resolve))
  let bytes = 0
  for await (const chunk of response) bytes += chunk.length
  console.log(bytes)
  const listener = await listen({ port: 0, host: '127.0.0.1' }, () => {})
  console.log(listener.port > 0)
  process.exit()
`

test('where reno may not be chosen, clients on this machine are served all the same', t => {
  const printed = runChild(PROGRAM)
  if (printed === 'no bbr\n') t.skip('this kernel has no bbr')
  else assert.equal(printed, `${BYTES}\ntrue\n`)
})
