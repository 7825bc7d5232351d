import type { BigIntStats } from 'node:fs'
import { lstat, realpath, stat } from 'node:fs/promises'
import { errnoOf, pathBytes, S, systemError } from '../../kernel/index.js'
import { filePath, type PathLike } from '../open-flags.js'

const EEXIST = -errnoOf('EEXIST')
const EINVAL = -errnoOf('EINVAL')
const EISDIR = -errnoOf('EISDIR')
const ENOTDIR = -errnoOf('ENOTDIR')

/** What is copied, and where it goes: the new name itself, not the folder that it goes into. */
export interface CopyPair {
  from: PathLike
  to: PathLike
}

/** Paths in bytes, one character for each, so that node:path can part them. */
export interface Texts {
  from: string
  to: string
}

/** A pair that has been looked at. */
export interface Operand extends Texts {
  /** `tree`: whatever it is, it is made anew. `read`: it is read until it ends. `write`: what is there is written to. */
  way: 'tree' | 'read' | 'write'
  isFolder: boolean
  /** What is read waits for whoever writes it, or has no name. */
  isStream: boolean
  /** What is written to is a FIFO. */
  isFifo: boolean
}

/** Both paths of a pair. */
export function textsOf({ from, to }: CopyPair): Texts {
  return { from: textOf(from), to: textOf(to) }
}

function textOf(path: PathLike): string {
  return Buffer.from(pathBytes(filePath(path)).subarray(0, -1)).toString('latin1')
}

/** The bytes of such a text. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** Where a path leads. */
async function resolveLink(text: string): Promise<string> {
  return (await realpath(bytesOf(text), { encoding: 'buffer' })).toString('latin1')
}

function orUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** What is at a path, and where that is. A link is followed if asked for. */
async function lookAt(text: string, follow: boolean) {
  if (!follow && !text.endsWith('/'))
    return { path: text, stats: await lstat(bytesOf(text), { bigint: true }) }
  const stats = await stat(bytesOf(text), { bigint: true })
  // What a process has open needs no path that leads to it: a pipe at /dev/stdin, a file that has been removed.
  const path = await resolveLink(text).catch(orUndefined)
  return { path: path ?? text, stats, isNameless: path === undefined }
}

/** What a new thing goes to, behind links, and what is there. */
async function lookAtTarget(text: string, source: BigIntStats) {
  const stats = await lstat(bytesOf(text), { bigint: true }).catch(orUndefined)
  if (stats === undefined) {
    if (text.endsWith('/') && !source.isDirectory()) throw systemError(ENOTDIR, 'copyfile')
    return { path: text, stats }
  }
  if (!text.endsWith('/') && (!stats.isSymbolicLink() || source.isSymbolicLink()))
    return { path: text, stats }
  const path = await resolveLink(text)
  return { path, stats: await lstat(bytesOf(path), { bigint: true }) }
}

/**
 * Looks at what is to be copied, and at what is where it goes.
 *
 * @param follow copies what a link points to
 * @param filesOnly reads what is no folder, whatever it is; without, what is no regular file is made anew
 * @throws the system error: `EISDIR`, `EINVAL` for a file onto itself, `EEXIST` for what would take a device's place
 */
export async function operandOf(texts: Texts, follow: boolean, filesOnly: boolean): Promise<Operand> {
  const { path: from, stats: source, isNameless = false } = await lookAt(texts.from, follow)
  const isFolder = source.isDirectory()
  if (filesOnly && isFolder) throw systemError(EISDIR, 'copyfile')
  const { path: to, stats: target } = await lookAtTarget(texts.to, source)
  if (target !== undefined && target.dev === source.dev && target.ino === source.ino) {
    throw systemError(EINVAL, 'copyfile')
  }
  if (target?.isDirectory() && !isFolder) throw systemError(EISDIR, 'copyfile')
  const isRead = source.isFile() || filesOnly
  const isStream = isRead && (isNameless || !source.isFile())
  const type = Number(target?.mode ?? 0n) & S.IFMT
  const isDevice = type === S.IFCHR || type === S.IFBLK
  const isFifo = type === S.IFIFO
  const operand = { from, to, isFolder, isStream, isFifo }
  if (isRead && (isDevice || isFifo || type === S.IFSOCK)) return { ...operand, way: 'write' }
  if (isDevice) throw systemError(EEXIST, 'copyfile')
  return { ...operand, way: isStream ? 'read' : 'tree' }
}
