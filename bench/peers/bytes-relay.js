/** Joins every connection to one of its own to a port of this machine, both ways. Prints its port. */

import { connect, listen } from '#dist/net/index.js'
import { transfer } from '#dist/transfer/index.js'

const port = Number(process.argv[2])
const congestion = process.argv[3]

async function join(from, to) {
  await transfer(from, to)
  await to.end()
}

const server = await listen({ host: '127.0.0.1', congestion }, async front => {
  const back = await connect({ host: '127.0.0.1', port, congestion })
  await Promise.all([join(front, back), join(back, front)])
  await back.close()
})
process.stdout.write(`${server.port}\n`)
