import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../kernel/index.js'

const PROGRAM = fileURLToPath(new URL('./byte-peer-main.js', import.meta.url))

/** Ports of the process at the other end. */
export interface BytePorts {
  /** Gives bytes without end. */
  readonly pour: number
  /** Throws away what comes. */
  readonly discard: number
}

let ports: Promise<BytePorts> | undefined

/** The process at the other end, started at the first call; it ends with this one. */
export function bytePorts(): Promise<BytePorts> {
  ports ??= start()
  return ports
}

/** Has it started, before anything is counted. */
export async function startBytePeer(): Promise<void> {
  await bytePorts()
}

async function start(): Promise<BytePorts> {
  const child = spawn(process.execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => [''])])
  const [pour, discard] = String(line).trim().split(' ').map(Number)
  if (pour === undefined || discard === undefined) {
    throw new SluiceError('ERR_SLUICE_UNSUPPORTED', 'The process at the other end does not start')
  }
  // Its input ends with this process, however that ends.
  for (const handle of [child, child.stdin, child.stdout]) (handle as unknown as Socket).unref()
  return { pour, discard }
}
