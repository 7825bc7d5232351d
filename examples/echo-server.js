// Sends back what comes, to any number of connections, until it is interrupted.
//
//   node examples/echo-server.js [PORT]
import { engine, listen } from 'sluice'

const server = await listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) }, async connection => {
  for await (const bytes of connection) await connection.write(bytes)
})
console.log(`port ${server.port}, ${engine().driver} driver`)

process.once('SIGINT', async () => {
  await server.close({ timeout: 1000 })
  const { enters } = engine().stats()
  console.log(`${server.stats().accepted} connections, ${enters} system calls`)
})
