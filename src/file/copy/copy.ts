import { posix } from 'node:path'
import { AbortError, AT, errnoOf, native, O, syscall, systemError } from '../../kernel/index.js'
import type { PathLike } from '../open-flags.js'
import { Copying } from './copying.js'
import { Folder, type Side } from './folder.js'
import { must } from './job-list.js'
import { type Name, nameOf, showPath } from './name.js'
import { bytesOf, type CopyPair, type Operand, operandOf, type Texts, textsOf } from './operand.js'
import { type CopyMethod, type CopyOptions, type CopyReport, checkCopyOptions } from './options.js'
import { copyStream } from './relay.js'
import { removeTree } from './remains.js'
import { statOf } from './stat.js'
import { openSource, openTarget } from './stream.js'
import { Tree } from './tree.js'

/** Folders that operands stand in and that are open at once: two descriptors each. */
const ROOTS = 64
const EEXIST = -errnoOf('EEXIST')

/** How {@link copyPaths} takes what it is given. */
export interface CopyPathsOptions extends CopyOptions {
  /** Copies what a link points to where a link is given; links further down stay links. */
  follow?: boolean
  /** Refuses folders with `EISDIR`, and reads what is no regular file instead of making it anew. */
  filesOnly?: boolean
}

/**
 * Copies files and trees, many at once. What fails is in the report; everything else is copied.
 *
 * Nothing stands under its final name before it is complete, and nothing is left of what failed; where that cannot be removed, it is
 * a failure of its own, with the path of what is left. A file that is there is replaced, a folder that is there is added to.
 *
 * @returns rejects with `AbortError` after the signal, when what was begun has been removed. Where that failed, the error's cause is
 *   an `AggregateError` of what the system said
 */
export async function copyPaths(
  pairs: Iterable<CopyPair>,
  options: CopyPathsOptions = {},
): Promise<CopyReport> {
  checkCopyOptions(options)
  // Before any path is looked at: without the binary, that is what is wrong.
  native()
  const copying = new Copying(options)
  const work = new Work(copying, options)
  try {
    for (const pair of pairs) await work.begin(textsOf(pair))
    await work.run()
    copying.checkCallbacks()
    const { report, leftovers } = copying
    for (const { path, error } of leftovers) report.failures.push({ path, dest: path, error })
    return report
  } catch (error) {
    const failures = await removeRemains(copying)
    copying.checkCallbacks()
    if (failures.length > 0 && error instanceof AbortError) {
      error.cause = new AggregateError(failures, 'What was begun could not be removed')
    }
    throw error
  } finally {
    copying.end()
  }
}

/** Operands on their way: those that have been looked at, and have not been copied. */
class Work {
  readonly #copying: Copying
  readonly #follow: boolean
  readonly #filesOnly: boolean
  readonly #tree: Tree
  /** The folders that operands stand in, by the paths of both sides. */
  readonly #roots = new Map<string, Folder>()
  readonly #writes: Operand[] = []
  /** Where operands went, and whether they are folders. */
  readonly #made = new Map<string, boolean>()

  constructor(copying: Copying, { follow = false, filesOnly = false }: CopyPathsOptions) {
    this.#copying = copying
    this.#follow = follow
    this.#filesOnly = filesOnly
    this.#tree = new Tree(copying)
  }

  /** Takes an operand on. What is wrong with it is noted. */
  async begin(texts: Texts): Promise<void> {
    try {
      await this.#add(await operandOf(texts, this.#follow, this.#filesOnly))
    } catch (error) {
      this.#copying.fail(showPath(bytesOf(texts.from)), showPath(bytesOf(texts.to)), error)
    }
  }

  /** Copies what has been taken on. @throws `AbortError` */
  async run(): Promise<void> {
    await this.#tree.run()
    this.#roots.clear()
    for (const { from, to, isStream, isFifo } of this.#writes.splice(0)) {
      await writeInto(this.#copying, nameOf(bytesOf(from)), nameOf(bytesOf(to)), isStream, isFifo)
    }
  }

  async #add(operand: Operand): Promise<void> {
    const { from, to, way, isFolder } = operand
    if (way === 'write') {
      if (this.#copying.overwrite === 'never') this.#copying.report.skipped++
      else this.#writes.push(operand)
      return
    }
    const place = posix.resolve(to)
    const earlier = this.#made.get(place)
    // Two of one name must not silently become one. Folders are merged, when the first is there.
    if (earlier !== undefined && !(earlier && isFolder)) throw systemError(EEXIST, 'copyfile')
    if (earlier !== undefined || this.#roots.size === ROOTS) await this.run()
    this.#made.set(place, isFolder)
    const [name, targetName] = [from, to].map(text => nameOf(bytesOf(posix.basename(text) || '.')))
    const entry = { folder: await this.#root(posix.dirname(from), posix.dirname(to)), name, targetName }
    if (way === 'read') this.#tree.addStream(entry)
    else this.#tree.add(entry)
  }

  /** The folders that two paths stand in, where one thing more begins. */
  async #root(from: string, to: string): Promise<Folder> {
    const key = `${from}\0${to}`
    const open = this.#roots.get(key)
    open?.begin()
    const root = open ?? (await openRoot(this.#copying, from, to))
    this.#roots.set(key, root)
    return root
  }
}

/** The folders that two paths stand in. */
async function openRoot(copying: Copying, from: string, to: string): Promise<Folder> {
  const flags = O.PATH | O.DIRECTORY | O.CLOEXEC
  const paths = [from, to].map(text => nameOf(bytesOf(text)))
  const sides: Side[] = []
  try {
    for (const path of paths) {
      const fd = await must('openat', path, AT.FDCWD, path.address, flags)
      sides.push({ fd, path: path.bytes, device: 0 })
    }
    const looks = sides.map(async side => {
      side.device = (await statOf(side.fd)).device
    })
    // Both are over before anybody closes a descriptor.
    for (const look of await Promise.allSettled(looks)) if (look.status === 'rejected') throw look.reason
    return new Folder(copying, sides[0], sides[1], true)
  } catch (error) {
    for (const { fd } of sides) syscall('close', fd)
    throw error
  }
}

/** What is no regular file cannot be replaced by one: contents are written into it. */
async function writeInto(copying: Copying, source: Name, target: Name, isStream: boolean, waits: boolean) {
  const open: number[] = []
  const flags = O.RDONLY | O.CLOEXEC
  try {
    open.push(
      isStream
        ? await openSource(copying, source)
        : await must('openat', source, AT.FDCWD, source.address, flags),
    )
    open.push(await openTarget(copying, target, waits))
    copying.count('ring', await copyStream(copying, open[0], open[1]))
    copying.copiedPath(source.bytes, target.bytes)
  } catch (error) {
    copying.fail(showPath(source.bytes), showPath(target.bytes), error)
  } finally {
    for (const fd of open) syscall('close', fd)
  }
}

/** After an abort: removes what has no final name yet. @returns what kept it from that */
async function removeRemains(copying: Copying): Promise<unknown[]> {
  const folders = [...copying.folders]
  const remains = folders.map(folder => folder.remains).filter(path => path !== undefined)
  for (const folder of folders) folder.close()
  const failures: unknown[] = copying.leftovers.filter(({ isAlone }) => isAlone).map(({ error }) => error)
  for (const path of remains) await removeTree(path).catch(error => failures.push(error))
  return failures
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
 * @param from a FIFO or a device is read until it ends
 * @param to its new name; what is no regular file (a device, a FIFO) is written to instead
 * @returns bytes of the copy, and how it was made, if it was: see `overwrite`; rejects with the system error, or `AbortError`. Where it is that an
 *   attribute could not be kept, the copy is there. What has failed beside that, such as to remove what was begun, is in the `errors` of
 *   the error's cause
 */
export async function copyFile(
  from: PathLike,
  to: PathLike,
  options: CopyOptions = {},
): Promise<{ bytes: number; via?: CopyMethod }> {
  checkCopyOptions(options)
  const report = await copyPaths([{ from, to }], { ...options, follow: true, filesOnly: true })
  const [failure, ...others] = report.failures
  if (failure !== undefined) {
    const errors = others.map(({ error }) => error)
    if (errors.length > 0) failure.error.cause = new AggregateError(errors, 'More has failed')
    throw failure.error
  }
  const [via] = Object.keys(report.methods) as CopyMethod[]
  return via === undefined ? { bytes: 0 } : { bytes: report.bytes, via }
}
