import { AT, addressOf, FILE_IOCTL, O, resultOf, S, STATX, StatxView, syscall } from '../../kernel/index.js'
import { AttributeCalls } from './attributes.js'
import type { Copying } from './copying.js'
import { copyRegular } from './entry.js'
import type { Folder } from './folder.js'
import { JobList } from './job-list.js'
import { EMPTY_PATH, type Name } from './name.js'

/** Files that are copied in one go. */
export const GROUP_FILES = 32
/** What is read of each at once: a smaller file is copied by one read and one write. */
const SLAB_BYTES = 32768

/** A file of the group that has been opened, and whose contents are in its slab. */
interface Opened {
  name: Name
  fd: number
  stat: StatxView
  slab: number
  bytes: number
}

/** A file that is being written: the indices of its jobs. */
interface Written {
  file: Opened
  placed: Name
  open: number
  data: number
  close: number
  attributes: AttributeCalls
}

/**
 * Copies files with care, by the dozen: one crossing opens and reads all of them, one makes, writes and closes all. What
 * cannot go this way goes by itself: large files, those with holes, with several names or with extended attributes.
 */
export class FileGroup {
  readonly #copying: Copying
  readonly #jobs = new JobList()
  readonly #stats = Array.from({ length: GROUP_FILES }, () => new StatxView())
  readonly #slabs = new Uint8Array(new ArrayBuffer(GROUP_FILES * SLAB_BYTES))
  readonly #slabAddress = addressOf(this.#slabs)
  /** Files that have been copied: they are closed along with the next crossing. */
  #done: number[] = []

  constructor(copying: Copying) {
    this.#copying = copying
  }

  /** Copies regular files of a folder, {@link GROUP_FILES} at most. Notes what fails. @throws `AbortError` */
  async copy(folder: Folder, names: readonly Name[]): Promise<void> {
    const { small, others } = await this.#read(folder, names)
    try {
      await this.#write(folder, small, others)
      for (let file = others.shift(); file !== undefined; file = others.shift()) {
        await this.#copyAlone(folder, file)
      }
    } finally {
      for (const { fd } of [...small, ...others]) syscall('close', fd)
    }
    this.#copying.progress()
  }

  /** Closes what is open still. */
  close(): void {
    for (const fd of this.#done) syscall('close', fd)
    this.#done.length = 0
  }

  async #read(folder: Folder, names: readonly Name[]) {
    const jobs = this.#jobs
    jobs.clear()
    jobs.hold(names)
    for (const fd of this.#done) jobs.add('close', fd)
    this.#done.length = 0
    // Should something else have taken the name meanwhile, such as a FIFO, opening does not wait for anybody.
    const flags = O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.CLOEXEC
    const firsts = names.map(({ address }, index) => {
      const open = jobs.add('openat', folder.source, address, flags)
      const stat = addressOf((this.#stats[index] as StatxView).buffer)
      jobs.add('statx', resultOf(open), EMPTY_PATH.address, AT.EMPTY_PATH, STATX.BASIC_STATS, stat)
      jobs.add('pread64', resultOf(open), this.#slabAddress + index * SLAB_BYTES, SLAB_BYTES, 0)
      if (this.#copying.preserve) jobs.add('flistxattr', resultOf(open), 0, 0)
      return open
    })
    await jobs.run()
    const small: Opened[] = []
    const others: Opened[] = []
    for (const [index, name] of names.entries()) {
      const first = firsts[index] as number
      const fd = jobs.result(first)
      if (fd < 0) {
        folder.fail(name, fd, 'open')
        continue
      }
      const stat = this.#stats[index] as StatxView
      const file = {
        name,
        fd,
        stat,
        slab: this.#slabAddress + index * SLAB_BYTES,
        bytes: jobs.result(first + 2),
      }
      const isPlain = !this.#copying.preserve || (jobs.result(first + 3) === 0 && stat.links === 1)
      ;(isPlain && this.#isSmall(file, folder) ? small : others).push(file)
    }
    return { small, others }
  }

  /** Whether all of it is in its slab, and nothing else would be lost. */
  #isSmall({ stat, bytes }: Opened, folder: Folder): boolean {
    // Whoever owns it has the rights that come with that. So they are set when it is known whose it is.
    if (this.#copying.preserve && (stat.mode & 0o7000) !== 0) return false
    if (folder.isPublic && this.#copying.overwrite === 'never') return false
    if ((stat.mode & S.IFMT) !== S.IFREG || bytes !== stat.size || bytes === SLAB_BYTES) return false
    if (bytes === 0) return this.#copying.reflink !== 'always'
    // Whether extents can be shared is found out by itself.
    const { via } = this.#copying
    if (via !== undefined || this.#copying.canReflink(stat.device, folder.targetDevice) === undefined)
      return false
    return stat.blocks * 512 >= bytes
  }

  /** @param files are taken out when it is known what has come of them: who is left is to be closed */
  async #write(folder: Folder, files: Opened[], others: Opened[]): Promise<void> {
    const jobs = this.#jobs
    jobs.clear()
    const written = files.map(file => this.#addWrite(folder, file))
    await jobs.run()
    const complete: Written[] = []
    for (const each of written) {
      files.shift()
      if (this.#check(folder, each, others)) complete.push(each)
    }
    if (folder.isPublic) await this.#rename(folder, complete)
  }

  #addWrite(folder: Folder, file: Opened): Written {
    const copying = this.#copying
    const jobs = this.#jobs
    const { name, fd, stat, slab, bytes } = file
    const placed = folder.isPublic ? copying.temporaryName() : name
    jobs.hold([placed, name])
    const mode = copying.preserve ? 0o600 : stat.mode & 0o777
    const flags = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC
    const open = jobs.add('openat', folder.target, placed.address, flags, mode)
    const target = resultOf(open)
    let data = -1
    if (bytes > 0 && copying.canReflink(stat.device, folder.targetDevice)) {
      data = jobs.add('ioctl', target, FILE_IOCTL.FICLONE, fd)
    } else if (bytes > 0) {
      data = jobs.add('pwrite64', target, slab, bytes, 0)
    }
    const attributes = new AttributeCalls(copying, jobs)
    if (copying.preserve) {
      attributes.owner(stat, target)
      attributes.mode(copying.modeOf(stat), target)
      attributes.times(stat, target)
    }
    const close = jobs.add('close', target)
    return { file, placed, open, data, close, attributes }
  }

  /** @returns whether it has been written whole; what has not is removed, and tried by itself */
  #check(
    folder: Folder,
    { file, placed, open, data, close, attributes }: Written,
    others: Opened[],
  ): boolean {
    const jobs = this.#jobs
    const opened = jobs.result(open)
    const copied = data < 0 ? 0 : jobs.result(data)
    const isClone = this.#copying.canReflink(file.stat.device, folder.targetDevice) === true
    const isWhole = opened >= 0 && jobs.result(close) >= 0 && copied === (isClone ? 0 : file.bytes)
    if (!isWhole) {
      // By itself it fails again, with the error that tells why, or succeeds in another way.
      if (opened >= 0) this.#copying.discard(folder, placed)
      others.push(file)
      return false
    }
    this.#done.push(file.fd)
    attributes.check(error => folder.fail(file.name, error))
    if (!folder.isPublic) this.#count(folder, file, isClone)
    return true
  }

  async #rename(folder: Folder, complete: readonly Written[]): Promise<void> {
    const jobs = this.#jobs
    jobs.clear()
    for (const { placed, file } of complete) {
      jobs.hold([placed, file.name])
      jobs.add('renameat', folder.target, placed.address, folder.target, file.name.address)
    }
    await jobs.run()
    for (const [index, { placed, file }] of complete.entries()) {
      const result = jobs.result(index)
      const isClone = this.#copying.canReflink(file.stat.device, folder.targetDevice) === true
      if (result >= 0) {
        this.#count(folder, file, isClone)
        continue
      }
      this.#copying.discard(folder, placed)
      folder.fail(file.name, result, 'rename')
    }
  }

  #count(folder: Folder, { name, bytes }: Opened, isClone: boolean): void {
    this.#copying.count(isClone ? 'reflink' : 'buffer', bytes)
    this.#copying.copied(folder, name)
  }

  async #copyAlone(folder: Folder, { name, fd, stat }: Opened): Promise<void> {
    try {
      await copyRegular(this.#copying, { folder, name, targetName: name }, fd, stat)
    } catch (error) {
      folder.fail(name, error)
    } finally {
      syscall('close', fd)
    }
  }
}
