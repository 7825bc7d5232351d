import { setTimeout } from 'node:timers/promises'
import { AT, errnoOf, F, O, POLL, S, type StatxView, syscall, systemError } from '../../kernel/index.js'
import type { Copying } from './copying.js'
import { call, must } from './job-list.js'
import type { Name } from './name.js'
import { statOf } from './stat.js'

/** Milliseconds between two looks for somebody who reads a FIFO: the kernel tells nobody who does not wait in open(2). */
const READER_MS = 20
const ENXIO = -errnoOf('ENXIO')

function isFifo(stat: StatxView): boolean {
  return (stat.mode & S.IFMT) === S.IFIFO
}

/** From here on reading and writing wait. The open file is ours alone: nobody else finds that changed. */
function setBlocking(fd: number): void {
  const flags = syscall('fcntl', fd, F.GETFL, 0)
  const result = flags < 0 ? flags : syscall('fcntl', fd, F.SETFL, flags & ~O.NONBLOCK)
  if (result < 0) throw systemError(result, 'fcntl')
}

/**
 * Opens what is read until it ends. Of a FIFO it awaits that somebody writes to it.
 *
 * @returns a descriptor; rejects with the system error, or `AbortError`
 */
export async function openSource(copying: Copying, path: Name, folder: number = AT.FDCWD): Promise<number> {
  const flags = O.RDONLY | O.NONBLOCK | O.NOCTTY | O.CLOEXEC
  const fd = await must('openat', path, folder, path.address, flags)
  try {
    // Reading one that nobody has written to yet says that it has ended; waiting for something to read does not.
    if (isFifo(await statOf(fd))) await readable(copying, fd)
    setBlocking(fd)
    return fd
  } catch (error) {
    syscall('close', fd)
    throw error
  }
}

/** The engine is loaded only for this: see relay.ts. */
async function readable({ signal }: Copying, fd: number): Promise<void> {
  const [{ engine }, { preparePollAdd }] = await Promise.all([
    import('../../engine/index.js'),
    import('../../ring/index.js'),
  ])
  const poll = engine().run((queue, id) => preparePollAdd(queue, fd, POLL.IN, id), {
    syscall: 'poll',
    signal,
  })
  await poll
}

/**
 * Opens what is written to in its place. Of a FIFO it awaits that somebody reads it.
 *
 * @returns a descriptor; rejects with the system error, or `AbortError`
 */
export async function openTarget(copying: Copying, path: Name, waits: boolean): Promise<number> {
  const flags = O.WRONLY | O.NONBLOCK | O.NOCTTY | O.CLOEXEC
  for (;;) {
    copying.checkAborted()
    const fd = await call('openat', path, AT.FDCWD, path.address, flags)
    if (fd === ENXIO && waits) {
      await setTimeout(READER_MS)
      continue
    }
    if (fd < 0) throw systemError(fd, 'open')
    setBlocking(fd)
    return fd
  }
}
