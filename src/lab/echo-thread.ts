/** What a thread of the row `Threads` runs, and what it has in common with the row itself. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { MSG, syscall } from '../kernel/index.js'
import { checked } from './blocking-socket.js'
import { messageOf } from './peer-message.js'

/** Words of the memory that the threads share. */
export const CONTROL = {
  /** Odd while a lap is run. */
  LAP: 0,
  /** Threads that have seen its end. */
  STOPPED: 1,
  /** Echoes of the threads that have. */
  COUNT: 2,
  WORDS: 3,
} as const

/** What a thread is given. */
export interface EchoTask {
  readonly fd: number
  readonly size: number
  readonly control: Int32Array
}

/** Sends and waits for the answer. @returns bytes of it */
export function echoOnce(fd: number, message: Uint8Array, answer: Uint8Array): number {
  checked(syscall('sendto', fd, message, message.length, MSG.NOSIGNAL, 0, 0), 'send')
  return checked(syscall('recvfrom', fd, answer, answer.length, MSG.WAITALL, 0, 0), 'recv')
}

function serve({ fd, size, control }: EchoTask): void {
  const message = messageOf(size)
  const answer = messageOf(size)
  for (let lap = 0; ; ) {
    Atomics.wait(control, CONTROL.LAP, lap)
    const begun = Atomics.load(control, CONTROL.LAP)
    let echoes = 0
    // Even where this thread was too late for the lap.
    if (begun % 2 === 1) {
      for (; Atomics.load(control, CONTROL.LAP) === begun; echoes++) echoOnce(fd, message, answer)
    }
    lap = Atomics.load(control, CONTROL.LAP)
    Atomics.add(control, CONTROL.COUNT, echoes)
    Atomics.add(control, CONTROL.STOPPED, 1)
    Atomics.notify(control, CONTROL.STOPPED)
  }
}

if (!isMainThread && parentPort !== null) {
  parentPort.postMessage('ready')
  serve(workerData)
}
