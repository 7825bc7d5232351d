/** Answers whatever it is asked with a file, over our connection. Prints its port. */

import { open } from '#dist/file/index.js'
import { listen } from '#dist/net/index.js'
import { transfer } from '#dist/transfer/index.js'

const file = await open(process.argv[2])
const { size } = await file.stat()
const head = Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
const server = await listen({ host: '127.0.0.1' }, async connection => {
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
