import { constants, createWriteStream, fstatSync, openSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'

/** Stands for standard output where a file is named. */
export const STDOUT = '-'
const STDOUT_FD = 1
const STDOUT_PATH = `/proc/self/fd/${STDOUT_FD}`

/**
 * Opens a file to be appended to. Nothing that is done with it waits for whoever reads a FIFO: a thread that did would
 * keep the process from its end.
 *
 * @throws the system error of a FIFO that nobody reads, `ENXIO`; of other files the stream's `error` event tells
 */
export function appendStream(path: string): Writable {
  const name = path === STDOUT ? STDOUT_PATH : path
  if (path === STDOUT && fstatSync(STDOUT_FD).isSocket()) return process.stdout
  if (statSync(name, { throwIfNoEntry: false })?.isFIFO() !== true)
    return createWriteStream(name, { flags: 'a' })
  const fd = openSync(name, constants.O_WRONLY | constants.O_NONBLOCK)
  return new Socket({ fd, readable: false, writable: true })
}
