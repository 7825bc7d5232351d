/** Answers whatever it is asked with a file, over our connection; with a congestion control of its own on demand. Prints its port. */

import { open } from '#dist/file/index.js'
import { listen } from '#dist/net/index.js'
import { transfer } from '#dist/transfer/index.js'

const [, , path, congestion] = process.argv
const file = await open(path)
const { size } = await file.stat()
const head = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
const server = await listen({ host: '127.0.0.1', congestion }, async connection => {
  let request = ''
  for await (const bytes of connection) {
    request += Buffer.from(bytes).toString('latin1')
    if (!request.includes('\r\n\r\n')) continue
    request = ''
    await connection.write(head)
    await transfer(file, connection, { offset: 0, length: size })
  }
})
process.stdout.write(`${server.port}\n`)
