import { AT, addressOf, errnoOf, O, S, type StatxView, syscall, systemError } from '../../kernel/index.js'
import { copyAttributes } from './attributes.js'
import { copyContents } from './contents.js'
import type { Copying, Place } from './copying.js'
import type { Folder } from './folder.js'
import { call, must } from './job-list.js'
import { type Name, nameOf } from './name.js'
import { renameTo } from './rename.js'

const LINK_BYTES = 4096
const ENOENT = -errnoOf('ENOENT')
/** For these another name cannot be given, but the file can be copied. */
const UNLINKABLE: ReadonlySet<string> = new Set(['EMLINK', 'ENAMETOOLONG', 'ENOENT', 'EXDEV', 'EPERM'])

/** Something in a folder to be copied. */
export interface Entry {
  folder: Folder
  /** In the folder. */
  name: Name
  /** In the copy. */
  targetName: Name
}

/**
 * Makes something in the copy of a folder. In one that others see it goes by a temporary name until it is complete, and
 * then takes the place of what has its name. What fails leaves nothing behind.
 *
 * @param make makes it by the given name, or throws before it has
 * @param complete does the rest
 */
async function put<T>(
  copying: Copying,
  { folder, targetName }: Entry,
  make: (name: Name) => Promise<T>,
  complete: (made: T, name: Name) => Promise<void>,
): Promise<void> {
  const name = folder.isPublic ? copying.temporaryName() : targetName
  const made = await make(name)
  try {
    await complete(made, name)
    if (!folder.isPublic) return
    await renameTo(folder.target, name, targetName, copying.overwrite !== 'never')
  } catch (error) {
    copying.discarded(folder, name, await call('unlinkat', name, folder.target, name.address, 0))
    throw error
  }
}

/**
 * Copies a regular file that is open.
 *
 * @param fd of the file; closed by the caller
 * @throws the system error, `AbortError`
 */
export async function copyRegular(
  copying: Copying,
  entry: Entry,
  fd: number,
  stat: StatxView,
): Promise<void> {
  if (!copying.preserve || stat.links < 2) return copyFirst(copying, entry, fd, stat)
  const key = `${stat.device}:${stat.inode}`
  const first = copying.links.get(key)
  if (first !== undefined) {
    const earlier = await first
    if (earlier !== undefined && (await linkTo(copying, entry, earlier))) return
    return copyFirst(copying, entry, fd, stat)
  }
  const copied = copyFirst(copying, entry, fd, stat)
  const place = copied.then(
    (): Place => ({ folder: entry.folder, name: entry.targetName }),
    () => undefined,
  )
  copying.links.set(key, place)
  return copied
}

/** @returns false where it cannot be linked, so that it must be copied */
async function linkTo(copying: Copying, entry: Entry, place: Place): Promise<boolean> {
  const { target } = entry.folder
  const make = async (name: Name) => {
    let result = ENOENT
    // Its folder may get its final name just now.
    for (let attempt = 0; attempt < 2 && result === ENOENT; attempt++) {
      const path = nameOf(place.folder.targetPath(place.name))
      result = await call('linkat', [path, name], AT.FDCWD, path.address, target, name.address, 0)
    }
    if (result < 0) throw systemError(result, 'link')
  }
  try {
    await put(copying, entry, make, async () => {})
  } catch (error) {
    if (UNLINKABLE.has((error as NodeJS.ErrnoException).code ?? '')) return false
    throw error
  }
  copying.report.links++
  copying.copied(entry.folder, entry.name, entry.targetName)
  return true
}

/** Copies what is read until it ends, into a new file. @param fd closed by the caller. @throws as `copyRegular()` */
export function copyStream(copying: Copying, entry: Entry, fd: number, stat: StatxView): Promise<void> {
  return copyFirst(copying, entry, fd, stat, (stat.mode & S.IFMT) !== S.IFREG)
}

async function copyFirst(
  copying: Copying,
  entry: Entry,
  fd: number,
  stat: StatxView,
  isStream = false,
): Promise<void> {
  const source = { fd, size: stat.size, allocated: stat.blocks * 512, device: stat.device, isStream }
  const flags = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW | O.CLOEXEC
  const mode = copying.preserve ? 0o600 : stat.mode & 0o777
  const make = (name: Name) => must('openat', name, entry.folder.target, name.address, flags, mode)
  let copied: Awaited<ReturnType<typeof copyContents>> | undefined
  await put(copying, entry, make, async target => {
    let isOpen = true
    try {
      copied = await copyContents(copying, source, target, entry.folder.targetDevice)
      if (copying.preserve) await copyAttributes(copying, fd, stat, target, error => tell(entry, error))
      isOpen = false
      await must('close', undefined, target)
    } finally {
      if (isOpen) syscall('close', target)
    }
  })
  if (copied === undefined) return
  copying.count(copied.method, copied.bytes)
  copying.copied(entry.folder, entry.name, entry.targetName)
}

/** Copies a symbolic link as one. @throws the system error */
export async function copyLink(copying: Copying, entry: Entry, stat: StatxView): Promise<void> {
  const { folder, name } = entry
  // Zeroed, so that a NUL stands behind what is read.
  const text = new Uint8Array(new ArrayBuffer(LINK_BYTES))
  const address = addressOf(text)
  await must('readlinkat', [name, text], folder.source, name.address, address, LINK_BYTES - 1)
  const make = (place: Name) => must('symlinkat', [text, place], address, folder.target, place.address)
  await put(copying, entry, make, async (_, place) => setUnopened(copying, entry, place, stat))
  copying.report.links++
  copying.copied(folder, name, entry.targetName)
}

/** Makes a FIFO, socket or device anew. @throws the system error: `EPERM` for a device as an ordinary user */
export async function copySpecial(copying: Copying, entry: Entry, stat: StatxView): Promise<void> {
  const { target } = entry.folder
  const mode = copying.modeOf(stat)
  const type = stat.mode & S.IFMT
  const make = (place: Name) => must('mknodat', place, target, place.address, type | mode, stat.specialDevice)
  await put(copying, entry, make, async (_, place) => setUnopened(copying, entry, place, stat, mode))
  copying.report.links++
  copying.copied(entry.folder, entry.name, entry.targetName)
}

/** Notes an attribute that could not be kept. */
function tell({ folder, name, targetName }: Entry, error: unknown): void {
  folder.fail(name, error, undefined, targetName)
}

/** Ownership, mode and times of what cannot be opened. */
async function setUnopened(
  copying: Copying,
  entry: Entry,
  place: Name,
  stat: StatxView,
  mode?: number,
): Promise<void> {
  if (!copying.preserve) return
  const { target } = entry.folder
  const { address } = place
  const flags = AT.SYMLINK_NOFOLLOW
  const times = new Int32Array(new ArrayBuffer(32))
  stat.putTimes(times)
  const calls = [
    () => copying.isRoot && must('fchownat', place, target, address, stat.uid, stat.gid, flags),
    () => mode !== undefined && must('fchmodat', place, target, address, mode),
    () => must('utimensat', [place, times], target, address, addressOf(times), flags),
  ]
  for (const call of calls) {
    try {
      await call()
    } catch (error) {
      tell(entry, error)
    }
  }
}
