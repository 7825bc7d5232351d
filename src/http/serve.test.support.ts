import net from 'node:net'
import { type FileServer, serve } from './serve.js'
import type { ServeOptions } from './server-options.js'

/** Has servers of a root, each on a free port of the loopback interface and closed behind its use. */
export function serversOf(root: () => string, defaults: () => Partial<ServeOptions> = () => ({})) {
  return async (
    options: Partial<ServeOptions>,
    use: (server: FileServer) => Promise<void>,
  ): Promise<void> => {
    const server = await serve({ root: root(), host: '127.0.0.1', port: 0, ...defaults(), ...options })
    try {
      await use(server)
    } finally {
      await server.close({ timeout: 1000 })
    }
  }
}

/** A request, behind which the connection stays. @param more further header fields, each with its line's end */
export const kept = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
/** A request that is the last of its connection. */
export const last = (target: string, more = '') => kept(target, `${more}Connection: close\r\n`)

/** A connection to a port of the loopback interface, or a Unix socket, whose errors are nobody's concern. */
export const client = (where: number | string) =>
  (typeof where === 'number' ? net.connect(where, '127.0.0.1') : net.connect(where)).on('error', () => {})

/** Not as `once()`, which fails where there is an error first. @returns when a socket is closed */
export const closed = (socket: net.Socket) =>
  new Promise<void>(resolve => socket.once('close', () => resolve()))

/** @returns all that comes for a request until the server closes, a byte a character */
export async function exchange(where: number | string, request: string): Promise<string> {
  const socket = client(where)
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk)).write(request)
  await closed(socket)
  return Buffer.concat(chunks).toString('latin1')
}

/** The status of a response; NaN of none. */
export const statusOf = (response: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(response)?.[1])

export const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/** @returns when something holds; the test's time limit ends it where it never does */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(5)
}
