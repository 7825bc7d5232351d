import { Worker } from 'node:worker_threads'
import { syscall } from '../../kernel/index.js'
import { blockingSocket } from '../blocking-socket.js'
import { CONTROL, type EchoTask, echoOnce } from '../echo-thread.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { peerPorts, startPeer } from '../peer.js'
import { messageOf } from '../peer-message.js'
import { ECHO_BYTES, FEW, SOCKET_COPIES } from '../sizes.js'

const PROGRAM = new URL('../echo-thread.js', import.meta.url)

/** A thread for each connection. */
export const echoThreads: Mechanism = {
  name: 'Threads',
  about:
    'a thread for each connection, which blocks in send and recv: no event loop, but the thread leaves the CPU for every answer. Compare with net of the same depth',
  ...SOCKET_COPIES,
  cases: [{ goal: 'net/echo', size: ECHO_BYTES, depth: FEW }],
  bound: 'a thread for each connection',
  prepare: startPeer,
  async open({ size, depth }) {
    const { echo } = await peerPorts()
    const control = new Int32Array(new SharedArrayBuffer(CONTROL.WORDS * 4))
    const fds = Array.from({ length: depth }, () => blockingSocket(echo))
    const others = fds.slice(1).map(fd => {
      const workerData: EchoTask = { fd, size, control }
      return new Worker(PROGRAM, { workerData })
    })
    await Promise.all(others.map(worker => new Promise(resolve => worker.once('message', resolve))))
    const message = messageOf(size)
    const answer = messageOf(size)
    return {
      run: lap => {
        Atomics.store(control, CONTROL.COUNT, 0)
        Atomics.store(control, CONTROL.STOPPED, 0)
        Atomics.add(control, CONTROL.LAP, 1)
        Atomics.notify(control, CONTROL.LAP)
        // This thread has one of the connections, so that operations are timed where they happen.
        inTurn(lap, () => echoOnce(fds[0], message, answer))
        Atomics.add(control, CONTROL.LAP, 1)
        for (let seen = 0; seen < others.length; seen = Atomics.load(control, CONTROL.STOPPED)) {
          Atomics.wait(control, CONTROL.STOPPED, seen)
        }
        const echoes = Atomics.load(control, CONTROL.COUNT)
        lap.operations += echoes
        lap.bytes += echoes * size
      },
      close: async () => {
        await Promise.all(others.map(worker => worker.terminate()))
        for (const fd of fds) syscall('close', fd)
      },
    }
  },
}
