import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { addressOf, errnoOf, F, O, SEEK, SIOC, syscall } from '../../kernel/index.js'

/** A folder of the test's own, removed after it. */
export function scratch(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-copy-'))
  t.after(() => {
    // What a test has made unreadable must be removable.
    execFileSync('chmod', ['-R', 'u+rwX', path])
    rmSync(path, { recursive: true, force: true })
  })
  return path
}

/** How often a pattern comes again: at no other place of a page, nor of a block of several. */
const PERIOD = 65537

/** Bytes that differ from place to place. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0, state = seed; at < Math.min(length, PERIOD); at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  for (let filled = PERIOD; filled < length; filled *= 2) bytes.copyWithin(filled, 0, filled)
  return bytes
}

/** A file with data at some places and holes between them. */
export function makeSparse(
  path: string,
  size: number,
  data: readonly [position: number, length: number][],
): void {
  const fd = openSync(path, 'w')
  for (const [position, length] of data) writeSync(fd, pattern(length, position + 7), 0, length, position)
  ftruncateSync(fd, size)
  closeSync(fd)
}

/** Where a file has data: begin and end of each piece. */
export function extentsOf(path: string): [number, number][] {
  const fd = openSync(path, 'r')
  const extents: [number, number][] = []
  for (let at = 0; ; ) {
    const from = syscall('lseek', fd, at, SEEK.DATA)
    if (from < 0) break
    const to = syscall('lseek', fd, from, SEEK.HOLE)
    extents.push([from, to])
    at = to
  }
  closeSync(fd)
  return extents
}

/** Everything below a folder: what each name is, and holds. */
export function picture(root: string, attributes = false): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  const visit = (path: Buffer, name: string) => {
    const stat = lstatSync(path, { bigint: true })
    const extra = attributes
      ? [stat.mode, stat.uid, stat.gid, stat.nlink, stat.mtimeNs]
      : [stat.mode & 0o170000n]
    if (stat.isDirectory()) {
      found[name] = ['folder', ...extra]
      for (const entry of readdirSync(path, { encoding: 'buffer' })) {
        visit(Buffer.concat([path, Buffer.from('/'), entry]), `${name}/${entry.toString('latin1')}`)
      }
    } else if (stat.isSymbolicLink()) found[name] = ['link', readlinkSync(path), extra.at(-1)]
    else if (stat.isFile()) found[name] = ['file', readFileSync(path).toString('latin1'), ...extra]
    else found[name] = ['special', stat.rdev, ...extra]
  }
  visit(Buffer.from(root), '.')
  return found
}

/** Descriptors that this process has open. */
export function countDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** Resolves when something holds that nobody tells of. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate)
}

/** Resolves when somebody reads a FIFO. @returns a descriptor to write to it */
export async function openWriter(path: string): Promise<number> {
  let fd = -1
  await until(() => {
    try {
      fd = openSync(path, O.WRONLY | O.NONBLOCK)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).errno !== -errnoOf('ENXIO')) throw error
      return false
    }
  })
  return fd
}

/** Bytes that a pipe holds. @param fd either end */
export function bytesIn(fd: number): number {
  const bytes = new Int32Array(new ArrayBuffer(4))
  assert.equal(syscall('ioctl', fd, SIOC.INQ, addressOf(bytes)), 0)
  return bytes[0]
}

/** Whether nothing more fits into a pipe. @param fd either end */
export function isFull(fd: number): boolean {
  return bytesIn(fd) === syscall('fcntl', fd, F.GETPIPE_SZ, 0)
}

/** Whether a process has a file open. */
export function hasOpen(process: number | 'self', path: string): boolean {
  const folder = `/proc/${process}/fd`
  return readdirSync(folder).some(name => {
    try {
      return readlinkSync(join(folder, name)) === path
    } catch {
      // Closed meanwhile.
      return false
    }
  })
}
