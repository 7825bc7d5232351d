import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectNode, type Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../kernel/index.js'
import { type Connection, connect } from '../net/index.js'

const PROGRAM = fileURLToPath(new URL('./peer-main.js', import.meta.url))
const HOST = '127.0.0.1'

/** Ports of the process at the other end. */
export interface PeerPorts {
  /** What comes is sent back. */
  readonly echo: number
  /** What comes is read and forgotten. */
  readonly swallow: number
}

let ports: Promise<PeerPorts> | undefined

/**
 * The process at the other end, started at the first call; it ends with this one. It is the same for all rows, so that
 * what differs is this end.
 */
export function peerPorts(): Promise<PeerPorts> {
  ports ??= start()
  return ports
}

/** Has it started, before anything is counted. */
export async function startPeer(): Promise<void> {
  await peerPorts()
}

async function start(): Promise<PeerPorts> {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  const stdout = child.stdout as Readable
  const [line] = await Promise.race([once(stdout, 'data'), once(child, 'exit').then(() => [''])])
  const [echo, swallow] = String(line).trim().split(' ').map(Number)
  if (echo === undefined || swallow === undefined) {
    throw new SluiceError('ERR_SLUICE_UNSUPPORTED', 'The process at the other end does not start')
  }
  // Its input ends with this process, however that ends.
  for (const handle of [child, child.stdin as Writable, stdout]) (handle as unknown as Socket).unref()
  return { echo, swallow }
}

/** So many connections of `sluice/net`. */
export function dialed(port: number, count: number): Promise<Connection[]> {
  return Promise.all(Array.from({ length: count }, () => connect({ host: HOST, port })))
}

/** So many sockets of Node's. */
export function nodeSockets(port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, async () => {
    const socket = connectNode({ port, host: HOST, noDelay: true })
    await once(socket, 'connect')
    return socket
  })
  return Promise.all(sockets)
}
