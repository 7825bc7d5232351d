import { lstat, realpath, rm } from 'node:fs/promises'
import { posix } from 'node:path'
import { AT, errnoOf, native, O, pathBytes, S, syscall, systemError } from '../../kernel/index.js'
import { filePath, type PathLike } from '../open-flags.js'
import { Copying } from './copying.js'
import { Folder } from './folder.js'
import { must } from './job-list.js'
import { nameOf, showPath } from './name.js'
import { type CopyMethod, type CopyOptions, type CopyReport, checkCopyOptions } from './options.js'
import { copyToStream } from './relay.js'
import { statOf, Tree } from './tree.js'

const EINVAL = -errnoOf('EINVAL')
const EISDIR = -errnoOf('EISDIR')

/** What is copied, and where it goes: the new name itself, not the folder that it goes into. */
export interface CopyPair {
  from: PathLike
  to: PathLike
}

/** How {@link copyPaths} takes what it is given. */
export interface CopyPathsOptions extends CopyOptions {
  /** Copies what a link points to where a link is given; links further down stay links. */
  follow?: boolean
  /** Refuses folders with `EISDIR`. */
  filesOnly?: boolean
}

/** A path in bytes, one character for each, so that node:path can part it. */
function textOf(path: PathLike): string {
  return Buffer.from(pathBytes(filePath(path)).subarray(0, -1)).toString('latin1')
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1')
}

/** Where a path leads; itself where nothing is there. */
async function resolveLink(text: string): Promise<string> {
  return (await realpath(bytesOf(text) as Buffer, { encoding: 'buffer' })).toString('latin1')
}

/**
 * Copies files and trees, many at once. What fails is in the report; everything else is copied.
 *
 * Nothing stands under its final name before it is complete, and nothing is left of what failed. A file that is there
 * is replaced, a folder that is there is added to.
 *
 * @returns rejects with `AbortError` after the signal, when what was begun has been removed
 */
export async function copyPaths(
  pairs: Iterable<CopyPair>,
  options: CopyPathsOptions = {},
): Promise<CopyReport> {
  checkCopyOptions(options)
  // Before any path is looked at: without the binary, that is what is wrong.
  native()
  const copying = new Copying(options)
  const tree = new Tree(copying)
  const streams: (() => Promise<void>)[] = []
  try {
    for (const { from, to } of pairs) {
      const texts = { from: textOf(from), to: textOf(to) }
      try {
        const stream = await begin(copying, tree, texts, options)
        if (stream !== undefined) streams.push(stream)
      } catch (error) {
        copying.fail(showPath(bytesOf(texts.from)), showPath(bytesOf(texts.to)), error)
      }
    }
    await tree.run()
    for (const stream of streams) await stream()
    return copying.report
  } catch (error) {
    await removeRemains(copying)
    throw error
  }
}

/** Puts one thing on the tree's stack. @returns what to do instead for a target that is no file */
async function begin(
  copying: Copying,
  tree: Tree,
  texts: { from: string; to: string },
  { follow = false, filesOnly = false }: CopyPathsOptions,
): Promise<(() => Promise<void>) | undefined> {
  const from = follow ? await resolveLink(texts.from) : texts.from
  const source = await lstat(bytesOf(from) as Buffer, { bigint: true })
  if (filesOnly && source.isDirectory()) throw systemError(EISDIR, 'copyfile')
  let to = texts.to
  const absent = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  }
  let target = await lstat(bytesOf(to) as Buffer, { bigint: true }).catch(absent)
  if (target?.isSymbolicLink() && !source.isSymbolicLink()) {
    to = await resolveLink(to)
    target = await lstat(bytesOf(to) as Buffer, { bigint: true })
  }
  if (target !== undefined && target.dev === source.dev && target.ino === source.ino) {
    throw systemError(EINVAL, 'copyfile')
  }
  if (target?.isDirectory() && !source.isDirectory()) throw systemError(EISDIR, 'copyfile')
  const type = Number(target?.mode ?? 0n) & S.IFMT
  const isStream = type === S.IFIFO || type === S.IFCHR || type === S.IFBLK || type === S.IFSOCK
  if (isStream && source.isFile()) return () => writeInto(copying, from, to)
  const [fromName, toName] = [from, to].map(text => nameOf(bytesOf(posix.basename(text) || '.')))
  const folder = await openRoot(copying, posix.dirname(from), posix.dirname(to))
  tree.add({ folder, name: fromName, targetName: toName })
  return undefined
}

/** The folders that two paths stand in. */
async function openRoot(copying: Copying, from: string, to: string): Promise<Folder> {
  const flags = O.PATH | O.DIRECTORY | O.CLOEXEC
  const paths = [from, to].map(text => nameOf(bytesOf(text)))
  const source = await must('openat', paths[0], AT.FDCWD, paths[0].address, flags)
  try {
    const target = await must('openat', paths[1], AT.FDCWD, paths[1].address, flags)
    const [sourceSide, targetSide] = await Promise.all(
      [source, target].map(async (fd, index) => {
        const { device } = await statOf(fd)
        return { fd, path: paths[index].bytes, device }
      }),
    )
    return new Folder(copying, sourceSide, targetSide, true)
  } catch (error) {
    syscall('close', source)
    throw error
  }
}

/** What is no regular file cannot be replaced by one: contents are written into it. */
async function writeInto(copying: Copying, from: string, to: string): Promise<void> {
  const [source, target] = [nameOf(bytesOf(from)), nameOf(bytesOf(to))]
  const open: number[] = []
  try {
    open.push(await must('openat', source, AT.FDCWD, source.address, O.RDONLY | O.CLOEXEC))
    open.push(await must('openat', target, AT.FDCWD, target.address, O.WRONLY | O.CLOEXEC))
    copying.count('ring', await copyToStream(copying, open[0], open[1]))
  } catch (error) {
    copying.fail(showPath(source.bytes), showPath(target.bytes), error)
  } finally {
    for (const fd of open) syscall('close', fd)
  }
}

/** After an abort: removes what has no final name yet. */
async function removeRemains(copying: Copying): Promise<void> {
  const folders = [...copying.folders]
  const remains = folders.map(folder => folder.remains).filter(path => path !== undefined)
  for (const folder of folders) folder.close()
  for (const path of remains) await rm(path as Buffer, { recursive: true, force: true })
}

/**
 * Copies a tree: folders, files, links as links, FIFOs and devices.
 *
 * @param to its new name. A folder that is there is added to, with its files replaced
 * @returns what was copied, and what could not be; rejects with `AbortError`
 */
export function copyTree(from: PathLike, to: PathLike, options: CopyOptions = {}): Promise<CopyReport> {
  return copyPaths([{ from, to }], options)
}

/**
 * Copies a file. Its extents are shared where the file system can, else the kernel copies; holes stay holes. It has its
 * new name only when it is complete, and then replaces what had it.
 *
 * @param to its new name; what is no regular file (a device, a FIFO) is written to instead
 * @returns bytes of the copy, and how it was made; rejects with the system error, or `AbortError`
 */
export async function copyFile(
  from: PathLike,
  to: PathLike,
  options: CopyOptions = {},
): Promise<{ bytes: number; via: CopyMethod }> {
  checkCopyOptions(options)
  const report = await copyPaths([{ from, to }], { ...options, follow: true, filesOnly: true })
  const [failure] = report.failures
  if (failure !== undefined) throw failure.error
  const [via] = Object.keys(report.methods) as CopyMethod[]
  return { bytes: report.bytes, via }
}
