import { addressOf, errnoOf, type StatxView, type SyscallName, systemError } from '../../kernel/index.js'
import type { Copying } from './copying.js'
import { call, JobList } from './job-list.js'

const LIST_BYTES = 65536
const VALUE_BYTES = 65536
const ENODATA = -errnoOf('ENODATA')
const EPERM = -errnoOf('EPERM')
/** What keeps an attribute from being set where it cannot be: another kind of file system. */
const UNSUPPORTED: ReadonlySet<number> = new Set([-errnoOf('EOPNOTSUPP'), EPERM])
/** What an ordinary user is answered who gives a file away; some file systems call it an invalid argument. */
const NOT_OURS: ReadonlySet<number> = new Set([EPERM, -errnoOf('EINVAL')])
/** An owner or group that is left as it is. */
const SAME = 0xffffffff

/** Is told of an attribute that could not be kept. The contents are there all the same. */
export type NoteAttribute = (error: NodeJS.ErrnoException) => void

/**
 * The calls that make an open file like another, but for its extended attributes. The order matters: a new owner takes
 * mode bits away, without write permission no extended attribute can be set, and times come last.
 */
export class AttributeCalls {
  readonly #copying: Copying
  readonly #jobs: JobList
  /** Index and name of each call. */
  readonly #calls: [index: number, name: SyscallName][] = []

  constructor(copying: Copying, jobs: JobList) {
    this.#copying = copying
    this.#jobs = jobs
  }

  #add(name: SyscallName, ...args: [number?, number?, number?, number?]): void {
    this.#calls.push([this.#jobs.add(name, ...args), name])
  }

  /** Adds ownership. @param target a descriptor, or `resultOf()` the job that opens it */
  owner(stat: StatxView, target: number): void {
    const { preserve, isRoot, uid, gid } = this.#copying
    if (!preserve || (stat.uid === uid && stat.gid === gid)) return
    this.#add('fchown', target, isRoot ? stat.uid : SAME, stat.gid)
  }

  /** Adds permission bits. */
  mode(mode: number, target: number): void {
    this.#add('fchmod', target, mode)
  }

  /** Adds times. */
  times(stat: StatxView, target: number): void {
    if (!this.#copying.preserve) return
    const times = new Int32Array(new ArrayBuffer(32))
    stat.putTimes(times)
    this.#jobs.hold(times)
    this.#add('utimensat', target, 0, addressOf(times), 0)
  }

  /**
   * Tells what failed. That an ordinary user may not give a file away is nothing to tell.
   *
   * @returns whether the owner and the group are those of the source
   */
  check(note: NoteAttribute): boolean {
    let isOwned = true
    for (const [index, name] of this.#calls) {
      const result = this.#jobs.result(index)
      if (result >= 0) continue
      if (name === 'fchown') isOwned = false
      if (name !== 'fchown' || this.#copying.isRoot || !NOT_OURS.has(result)) note(systemError(result, name))
    }
    return isOwned
  }
}

/**
 * Makes an open file or folder like another, as far as the options ask for it. What cannot be kept is told, and the rest is.
 *
 * @param mode bits that it has besides
 */
export async function copyAttributes(
  copying: Copying,
  source: number,
  stat: StatxView,
  target: number,
  note: NoteAttribute,
  mode = 0,
): Promise<void> {
  const jobs = new JobList()
  const owner = new AttributeCalls(copying, jobs)
  owner.owner(stat, target)
  await jobs.run()
  const isOwned = owner.check(note)
  if (copying.preserve) await copyExtendedAttributes(source, target, note)
  jobs.clear()
  const last = new AttributeCalls(copying, jobs)
  last.mode(copying.modeOf(stat, isOwned) | mode, target)
  last.times(stat, target)
  await jobs.run()
  last.check(note)
}

/**
 * Copies extended attributes, ACLs among them, from one open file to another.
 *
 * What the target's file system does not know is left out, and so is what an ordinary user may not set.
 */
async function copyExtendedAttributes(source: number, target: number, note: NoteAttribute): Promise<void> {
  const list = Buffer.from(new ArrayBuffer(LIST_BYTES))
  const length = await call('flistxattr', list, source, addressOf(list), LIST_BYTES)
  if (UNSUPPORTED.has(length) || length === 0) return
  if (length < 0) return note(systemError(length, 'flistxattr'))
  const value = new Uint8Array(new ArrayBuffer(VALUE_BYTES))
  for (let at = 0; at < length; ) {
    const end = list.indexOf(0, at)
    const name = addressOf(list) + at
    at = end + 1
    const size = await call('fgetxattr', [list, value], source, name, addressOf(value), VALUE_BYTES)
    if (size === ENODATA) continue
    if (size < 0) {
      note(systemError(size, 'fgetxattr'))
      continue
    }
    const result = await call('fsetxattr', [list, value], target, name, addressOf(value), size, 0)
    if (result < 0 && !UNSUPPORTED.has(result)) note(systemError(result, 'fsetxattr'))
  }
}
