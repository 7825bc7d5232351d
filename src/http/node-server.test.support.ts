import http from 'node:http'
import type { AddressInfo } from 'node:net'

/** What one of Node's servers asks for each request. */
export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void

/** One of Node's servers on a free port of the loopback interface, closed behind its use. */
export async function withServer(
  handler: Handler,
  use: (origin: string, port: number) => Promise<void>,
): Promise<void> {
  const server = http.createServer(handler).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  try {
    await use(`http://127.0.0.1:${port}`, port)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
