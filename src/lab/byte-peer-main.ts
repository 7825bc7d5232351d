/**
 * The process at the other end of the rows that send much. It prints two ports, one whose connections give bytes without
 * end and one whose bytes are thrown away, and ends when its input does.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { F, O, syscall } from '../kernel/index.js'
import { type Connection, type Listener, listen } from '../net/index.js'
import type { ByteTask } from './byte-peer-thread.js'

const PROGRAM = new URL('./byte-peer-thread.js', import.meta.url)

function serve(pours: boolean): Promise<Listener> {
  return listen({ host: '127.0.0.1' }, async (connection: Connection) => {
    const loan = await connection.lend(pours ? 'write' : 'read')
    syscall('fcntl', loan.fd, F.SETFL, syscall('fcntl', loan.fd, F.GETFL) & ~O.NONBLOCK)
    const workerData: ByteTask = { fd: loan.fd, pours }
    await once(new Worker(PROGRAM, { workerData }), 'exit')
    loan.release()
  })
}

const [pour, discard] = await Promise.all([serve(true), serve(false)])
process.stdout.write(`${pour.port} ${discard.port}\n`)
// A thread may wait in the kernel for bytes that never come.
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume()
