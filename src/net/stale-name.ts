import { closeSync, constants, lstatSync, openSync, rmSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { errnoOf, syscall } from '../kernel/index.js'
import { connect } from './connect.js'

/** Of flock(2). */
const LOCK_EX = 2
const LOCK_NB = 4
const HELD = -errnoOf('EAGAIN')
/** How long another process's lock is waited for, and how often it is tried, in milliseconds. */
const LOCK_MS = 5000
const TRY_MS = 20
/** How long a server may take from bind(2) to listen(2), in milliseconds. */
const LISTEN_MS = 100
/** How long an answer to the question whether somebody listens may take, in milliseconds. */
const PROBE_MS = 1000

/** Whether a Unix socket's path is one in the file system. */
export function hasName(path: string): boolean {
  return path !== '' && !path.startsWith('\0')
}

/** Removes the name of a Unix socket that is no more. */
export function removeSocketName(path: string | undefined): void {
  if (path !== undefined && hasName(path)) rmSync(path, { force: true })
}

/**
 * Has others that would replace a name in the same directory wait, by a lock of the directory (flock(2)), which leaves
 * nothing behind. Where that cannot be had, or not in time, it is done without.
 *
 * @returns what ends it
 */
export async function lockNames(path: string): Promise<() => void> {
  if (!hasName(path)) return () => {}
  let fd: number
  try {
    fd = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY)
  } catch {
    return () => {} // It is bind(2) that says what is wrong.
  }
  const until = performance.now() + LOCK_MS
  while (syscall('flock', fd, LOCK_EX | LOCK_NB) === HELD && performance.now() < until)
    await setTimeout(TRY_MS)
  return () => closeSync(fd)
}

function socketAt(path: string): Stats | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found?.isSocket() ? found : undefined
}

async function refuses(path: string): Promise<boolean> {
  try {
    await (await connect({ path, timeout: PROBE_MS })).close()
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
  }
}

/**
 * Removes the name of a Unix socket that nobody listens on any more. One that is in use, and anything else of that name,
 * is left for bind(2) to refuse. A socket that has just been bound refuses connections as well, until it listens: so
 * it is asked twice, and has to be the same one.
 */
export async function removeStaleName(path: string): Promise<void> {
  const found = hasName(path) ? socketAt(path) : undefined
  if (found === undefined || !(await refuses(path))) return
  await setTimeout(LISTEN_MS)
  if (!(await refuses(path))) return
  const still = socketAt(path)
  if (still?.ino === found.ino && still.dev === found.dev && still.ctimeMs === found.ctimeMs)
    removeSocketName(path)
}
