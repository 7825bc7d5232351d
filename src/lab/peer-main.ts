/**
 * The process at the other end of the rows over connections. It prints two ports, one whose connections are echoed and
 * one whose bytes are swallowed, and ends when its input does.
 */
import { listen } from '../net/index.js'

const host = '127.0.0.1'
const echo = await listen({ host }, async connection => {
  for await (const bytes of connection) await connection.write(bytes)
})
const swallow = await listen({ host }, async connection => {
  const buffer = new Uint8Array(new ArrayBuffer(65536))
  while ((await connection.readInto(buffer)) > 0);
})
process.stdout.write(`${echo.port} ${swallow.port}\n`)
process.stdin.on('end', () => process.exit()).resume()
