import { availableParallelism } from 'node:os'
import {
  AT,
  addressOf,
  DT,
  eachDirent,
  errnoOf,
  O,
  resultOf,
  S,
  STATX,
  StatxView,
  syscall,
  systemError,
} from '../../kernel/index.js'
import type { Copying } from './copying.js'
import { Crew, type Task } from './crew.js'
import { copyLink, copyRegular, copySpecial, copyStream, type Entry } from './entry.js'
import { replaceable } from './existing.js'
import { FileGroup, GROUP_FILES } from './file-group.js'
import { Folder } from './folder.js'
import { call, JobList, must } from './job-list.js'
import { FoundName, type Name } from './name.js'
import { SmallFiles } from './small-files.js'
import { addStat, statOf } from './stat.js'
import { openSource } from './stream.js'

/** Groups of files, folders and links that are worked on at once. */
const WORKERS = Math.min(availableParallelism() + 1, 8)
const LIST_BYTES = 32768
const NO_PATH = new Uint8Array(0)
const SET_GROUP_ID = 0o2000
const FOLDER = O.RDONLY | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC
const EEXIST = -errnoOf('EEXIST')
const EINVAL = -errnoOf('EINVAL')

/** What each of those who work has for itself, made when it is needed: a single file needs nothing of it. */
class Worker {
  readonly #copying: Copying
  #group: FileGroup | undefined
  #small: SmallFiles | undefined

  constructor(copying: Copying) {
    this.#copying = copying
  }

  get group(): FileGroup {
    this.#group ??= new FileGroup(this.#copying)
    return this.#group
  }

  get small(): SmallFiles {
    this.#small ??= new SmallFiles(this.#copying)
    return this.#small
  }

  close(): void {
    this.#group?.close()
  }
}

/** Copies whatever is asked for, folders with everything below them. */
export class Tree {
  readonly #copying: Copying
  readonly #workers: Worker[]
  readonly #crew: Crew<Worker>

  constructor(copying: Copying) {
    this.#copying = copying
    this.#workers = Array.from({ length: WORKERS }, () => new Worker(copying))
    this.#crew = new Crew(this.#workers)
  }

  /** Adds something to copy. Its folder must have begun with it; it ends with it. */
  add(entry: Entry, type: number = DT.UNKNOWN, worker?: Worker): void {
    if (type === DT.DIR) this.#push(entry.folder, by => this.#openFolder(entry, by), worker)
    else this.#push(entry.folder, by => this.#copyOther(entry, by), worker)
  }

  /** Adds something that is read until it ends, whatever it is: a FIFO, a device, an open file without a name. */
  addStream(entry: Entry): void {
    this.#push(entry.folder, () => this.#copyStream(entry))
  }

  /** Copies it all. What cannot be copied is in the report. @throws `AbortError` */
  async run(): Promise<void> {
    try {
      await this.#crew.run()
    } finally {
      for (const worker of this.#workers) worker.close()
    }
  }

  #push(folder: Folder, task: Task<Worker>, worker?: Worker): void {
    this.#crew.push(async by => {
      this.#copying.checkAborted()
      await task(by)
      await folder.end()
    }, worker)
  }

  /** Copies what is no folder, or nobody knows what it is. */
  async #copyOther(entry: Entry, worker: Worker): Promise<void> {
    const { folder, name, targetName } = entry
    const copying = this.#copying
    try {
      const stat = new StatxView()
      if ((await replaceable(copying, [entry])).length === 0) return
      const flags = AT.SYMLINK_NOFOLLOW
      const args = [folder.source, name.address, flags, STATX.BASIC_STATS, addressOf(stat.buffer)] as const
      await must('statx', [name, stat], ...args)
      const type = stat.mode & S.IFMT
      if (type === S.IFDIR) return await this.#openFolder(entry, worker)
      if (type === S.IFLNK) return await copyLink(copying, entry, stat)
      if (type !== S.IFREG) return await copySpecial(copying, entry, stat)
      await this.#copyFile(entry)
    } catch (error) {
      folder.fail(name, error, undefined, targetName)
    }
  }

  async #copyStream(entry: Entry): Promise<void> {
    const { folder, name, targetName } = entry
    try {
      // What is read until it ends has no time that tells whether it is newer: `older` is not for it.
      const isLeft =
        this.#copying.overwrite === 'never' && (await replaceable(this.#copying, [entry])).length === 0
      if (isLeft) return
      const fd = await openSource(this.#copying, name, folder.source)
      try {
        await copyStream(this.#copying, entry, fd, await statOf(fd))
      } finally {
        syscall('close', fd)
      }
    } catch (error) {
      folder.fail(name, error, undefined, targetName)
    }
  }

  async #copyFile(entry: Entry): Promise<void> {
    const { folder, name } = entry
    const flags = O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.CLOEXEC
    const fd = await must('openat', name, folder.source, name.address, flags)
    try {
      await copyRegular(this.#copying, entry, fd, await statOf(fd))
    } finally {
      syscall('close', fd)
    }
  }

  /** Opens both sides of a folder, and puts what is in it on the stack. */
  async #openFolder(entry: Entry, worker: Worker): Promise<void> {
    const { folder: parent, name, targetName } = entry
    const copying = this.#copying
    const open: number[] = []
    try {
      const source = await openFolder(parent.source, name)
      open.push(source.fd)
      if (copying.targets.has(`${source.stat.device}:${source.stat.inode}`))
        throw systemError(EINVAL, 'mkdir')
      const target = parent.isPublic ? await this.#meet(parent, targetName) : await make(parent, targetName)
      open.push(target.fd)
      const { device, inode } = target.stat
      if (parent.isPublic) copying.targets.add(`${device}:${inode}`)
      const keeps = target.isPublic && !copying.preserve
      const folder = new Folder(
        copying,
        { fd: source.fd, path: parent.sourcePath(name), device: source.stat.device },
        { fd: target.fd, path: NO_PATH, device },
        target.isPublic,
        {
          parent,
          source: name,
          name: targetName,
          temporary: target.temporary,
          stat: keeps ? undefined : source.stat,
          // The group of what is made in a folder with this bit is that of the folder, and so on further down.
          inherited: copying.preserve ? 0 : target.stat.mode & SET_GROUP_ID,
        },
      )
      parent.begin()
      // The topmost may be mounted itself: it has been asked for.
      const isOther = copying.oneFileSystem && !parent.isTop && source.stat.device !== parent.sourceDevice
      this.#push(folder, isOther ? async () => {} : by => this.#list(folder, by), worker)
    } catch (error) {
      for (const fd of open) syscall('close', fd)
      parent.fail(name, error, undefined, targetName)
    }
  }

  /** In a folder that was there before: the folder that has the name, or else a new one, without it for now. */
  async #meet(parent: Folder, name: Name): Promise<Target> {
    try {
      return { ...(await openFolder(parent.target, name)), isPublic: true, temporary: undefined }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOTDIR' || code === 'ELOOP') throw systemError(EEXIST, 'mkdir')
      if (code !== 'ENOENT') throw error
    }
    const temporary = this.#copying.temporaryName()
    return { ...(await make(parent, temporary)), temporary }
  }

  /** Reads a piece of a folder. What it finds goes on the stack above the rest of the folder. */
  async #list(folder: Folder, worker: Worker): Promise<void> {
    const bytes = Buffer.from(new ArrayBuffer(LIST_BYTES))
    const address = addressOf(bytes)
    const length = await call('getdents64', bytes, folder.source, address, LIST_BYTES)
    if (length < 0) folder.failSelf(length, 'scandir')
    if (length <= 0) return
    folder.begin()
    this.#push(folder, by => this.#list(folder, by), worker)
    let files: Name[] = []
    eachDirent(bytes, length, (start, end, type) => {
      const found = new FoundName(bytes, address, start, end)
      if (type !== DT.REG) {
        folder.begin()
        this.add({ folder, name: found, targetName: found }, type, worker)
      } else if (files.push(found) === GROUP_FILES) {
        this.#pushFiles(folder, files, worker)
        files = []
      }
    })
    if (files.length > 0) this.#pushFiles(folder, files, worker)
  }

  #pushFiles(folder: Folder, files: readonly Name[], worker: Worker): void {
    folder.begin()
    this.#push(folder, by => this.#copyFiles(folder, files, by), worker)
  }

  async #replaceable(folder: Folder, files: readonly Name[]): Promise<readonly Name[]> {
    if (!folder.isPublic || this.#copying.overwrite === 'always') return files
    const entries = files.map(name => ({ folder, name, targetName: name }))
    return (await replaceable(this.#copying, entries)).map(({ name }) => name)
  }

  /** Small files take the short way, until it turns out that a folder has few of them. */
  async #copyFiles(folder: Folder, files: readonly Name[], worker: Worker): Promise<void> {
    const copying = this.#copying
    let left = await this.#replaceable(folder, files)
    if (folder.isPlain && copying.canReflink(folder.sourceDevice, folder.targetDevice) === false) {
      left = await worker.small.copy(folder, files)
      if (left.length > files.length / 4) folder.isPlain = false
      copying.progress()
    }
    if (left.length > 0) await worker.group.copy(folder, left)
  }
}

interface Target {
  fd: number
  stat: StatxView
  isPublic: boolean
  temporary: Name | undefined
}

/** Opens a folder. @throws the system error */
async function openFolder(parent: number, name: Name): Promise<{ fd: number; stat: StatxView }> {
  const jobs = new JobList()
  const stat = new StatxView()
  jobs.hold([name, stat])
  const open = jobs.add('openat', parent, name.address, FOLDER)
  const looked = addStat(jobs, resultOf(open), stat)
  await jobs.run()
  if (jobs.result(open) < 0) throw systemError(jobs.result(open), 'scandir')
  if (jobs.result(looked) < 0) {
    syscall('close', jobs.result(open))
    throw systemError(jobs.result(looked), 'fstat')
  }
  return { fd: jobs.result(open), stat }
}

/** Makes a folder in the copy of another, and opens it. @throws the system error */
async function make(parent: Folder, name: Name): Promise<Target> {
  const jobs = new JobList()
  const stat = new StatxView()
  jobs.hold([name, stat])
  const made = jobs.add('mkdirat', parent.target, name.address, 0o700)
  const open = jobs.add('openat', parent.target, name.address, FOLDER)
  addStat(jobs, resultOf(open), stat)
  await jobs.run()
  const [result, fd] = [jobs.result(made), jobs.result(open)]
  if (result >= 0 && fd >= 0) return { fd, stat, isPublic: false, temporary: undefined }
  if (fd >= 0) syscall('close', fd)
  if (result >= 0) syscall('unlinkat', parent.target, name.address, AT.REMOVEDIR)
  throw systemError(result < 0 ? result : fd, 'mkdir')
}
