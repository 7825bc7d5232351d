import { type StatxView, syscall } from '../../kernel/index.js'
import { copyAttributes } from './attributes.js'
import type { Copying } from './copying.js'
import { joinPath, type Name, showPath } from './name.js'
import { removeTree } from './remains.js'
import { renameTo } from './rename.js'

/** Where a folder's copy stands in the copy of its parent. */
export interface FolderPlace {
  parent: Folder
  /** Of the folder that is copied, and of the copy. */
  source: Name
  name: Name
  /** The name it goes by until it is complete. */
  temporary: Name | undefined
  /** Of the folder, for the copy's attributes; without, the copy keeps its own. */
  stat: StatxView | undefined
  /** Mode bits that the copy has from the folder that it is made in. */
  inherited: number
}

/** One side of a folder that is being copied. */
export interface Side {
  fd: number
  path: Uint8Array
  device: number
}

/**
 * A folder that is being copied: both sides, open, until the last thing in it has been copied.
 *
 * What is new goes by its final name into a folder that nobody can see yet. Into a folder that was there before it
 * goes by a temporary name, and gets its own when it is complete; a new folder does so too.
 */
export class Folder {
  /** Descriptor of the folder that is copied. */
  readonly source: number
  /** Descriptor of the copy. */
  readonly target: number
  readonly sourceDevice: number
  readonly targetDevice: number
  /** Whether others may see what is in it. */
  readonly isPublic: boolean
  /** Whether its files can be tried the short way. */
  isPlain: boolean
  readonly #copying: Copying
  readonly #sourcePath: Uint8Array
  readonly #targetPath: Uint8Array
  readonly #place: FolderPlace | undefined
  /** What in it is not copied yet, and whoever lists it. */
  #pending = 1
  #isOpen = true

  /** @param place undefined for the topmost */
  constructor(copying: Copying, source: Side, target: Side, isPublic: boolean, place?: FolderPlace) {
    this.#copying = copying
    this.source = source.fd
    this.#sourcePath = source.path
    this.target = target.fd
    this.#targetPath = target.path
    this.sourceDevice = source.device
    this.targetDevice = target.device
    this.isPublic = isPublic
    this.isPlain = !isPublic && !copying.preserve && copying.via === undefined
    this.#place = place
    copying.folders.add(this)
  }

  /** Whether operands stand in it, and it is not copied itself. */
  get isTop(): boolean {
    return this.#place === undefined
  }

  /** Where something in the folder is. */
  sourcePath(name: Name): Uint8Array {
    return joinPath(this.#sourcePath, name.bytes)
  }

  /** Where something in the copy is, as long as its folders have their temporary names; or where it will be. */
  targetPath(name: Name, finally_ = false): Uint8Array {
    const place = this.#place
    if (place === undefined) return joinPath(this.#targetPath, name.bytes)
    const own = finally_ ? place.name : (place.temporary ?? place.name)
    return joinPath(place.parent.targetPath(own, finally_), name.bytes)
  }

  /** Notes what could not be copied. @throws what is no system error */
  fail(name: Name, error: unknown, syscall?: string, targetName = name): void {
    const [from, to] = [this.sourcePath(name), this.targetPath(targetName, true)]
    this.#copying.fail(showPath(from), showPath(to), error, syscall)
  }

  /** Notes that the folder itself could not be copied, or not wholly. */
  failSelf(error: unknown, syscall?: string): void {
    const place = this.#place
    if (place !== undefined) place.parent.fail(place.source, error, syscall, place.name)
  }

  /** One thing more to do in it. */
  begin(): void {
    this.#pending++
  }

  /**
   * One thing less. After the last, the copy gets its attributes and its name. Attributes that cannot be kept are noted; where
   * the name has been taken meanwhile, the copy is removed.
   *
   * @throws as `Copying.checkAborted()`; then it stays open
   */
  async end(): Promise<void> {
    if (--this.#pending > 0) return
    const place = this.#place
    if (place === undefined) {
      this.close()
      return
    }
    // A copy that is to end completes nothing more: what is not complete is removed.
    this.#copying.checkAborted()
    try {
      if (place.stat !== undefined) await this.#finish(place.stat, place.inherited)
      await this.#rename(place)
      this.#copying.report.directories++
      this.#copying.copied(place.parent, place.source, place.name)
    } catch (error) {
      this.failSelf(error)
      const { remains } = this
      if (remains !== undefined) await removeTree(remains).catch(failure => this.failSelf(failure))
    } finally {
      this.close()
    }
    await place.parent.end()
  }

  async #finish(stat: StatxView, inherited: number): Promise<void> {
    const note = (error: unknown) => this.failSelf(error)
    await copyAttributes(this.#copying, this.source, stat, this.target, note, inherited)
  }

  async #rename(place: FolderPlace): Promise<void> {
    const { parent, name, temporary } = place
    if (temporary === undefined) return
    await renameTo(parent.target, temporary, name, false)
    place.temporary = undefined
  }

  /** Closes both sides. Idempotent. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#copying.folders.delete(this)
    syscall('close', this.source)
    syscall('close', this.target)
  }

  /** The path of a copy that is not complete, to be removed after an abort; undefined where it has none of its own. */
  get remains(): Uint8Array | undefined {
    return this.#place?.temporary && this.#place.parent.targetPath(this.#place.temporary)
  }
}
