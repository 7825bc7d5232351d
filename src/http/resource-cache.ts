import { type Change, DirectoryWatch, parentOf, type WatchedDirectory } from './directory-watch.js'
import { type DescriptorKeeper, keptDescriptors } from './kept-descriptors.js'
import { RememberedTargets } from './remembered-targets.js'
import { CODED, type Resource } from './resource.js'
import type { RootDirectory } from './root-directory.js'
import type { SiteSettings } from './site-options.js'

/** How long a file is trusted whose directory is watched: a write through a mapping is not told by inotify. */
const WATCHED_MS = 30_000

/** What the cache holds, and how it keeps what it holds current. */
export interface CacheStats {
  /** Files that are open. */
  files: number
  /** Descriptors that they take, those of their codings counted. */
  descriptors: number
  /** Bytes of files, and of answers that stand ready, that are kept in memory. */
  bytes: number
  /** Targets by which they are found without being taken apart. */
  targets: number
  /** Files that others had to make room for, so far. */
  evictions: number
  /** Of the files, those that inotify tells of changes of; the others are looked at again after `cacheMs`. */
  watched: number
  /** Directories watched for that. */
  directories: number
  /** Why a file is not among the watched, the last time that one was not. */
  reason: string | undefined
}

/** How a file will be known to have changed: kept from before it was opened. */
export interface Cover {
  readonly directory: WatchedDirectory | undefined
  readonly epoch: number
}

/**
 * Open files by their path below the root, bounded in number and bytes. Those go first that have not been used for a while: a
 * use is no more than a mark, and who is marked has a second chance ("clock"). A change
 * is seen by inotify at once where that can see it; elsewhere a file is looked at again after a time.
 */
export class ResourceCache implements DescriptorKeeper {
  readonly #settings: SiteSettings
  readonly #watch: DirectoryWatch | undefined
  readonly #resources = new Map<string, Resource>()
  readonly #covers = new Map<Resource, WatchedDirectory>()
  readonly #targets: RememberedTargets
  /** The one that was kept last: whoever opened it has not sent it yet. */
  #newest: Resource | undefined
  #bytes = 0
  descriptors = 0
  #evictions: number

  /** @param evictions that are counted already */
  constructor(root: RootDirectory, settings: SiteSettings, evictions = 0) {
    this.#settings = settings
    this.#evictions = evictions
    // More than there are files: a file has other names.
    this.#targets = new RememberedTargets(2 * settings.cacheEntries)
    keptDescriptors.join(this)
    if (settings.watch) this.#watch = new DirectoryWatch(root, change => this.#changed(change))
  }

  /** What it holds now. */
  stats(): CacheStats {
    return {
      files: this.#resources.size,
      descriptors: this.descriptors,
      bytes: this.#bytes,
      targets: this.#targets.size,
      evictions: this.#evictions,
      watched: this.#covers.size,
      directories: this.#watch?.size ?? 0,
      reason: this.#watch === undefined ? 'not asked for' : this.#watch.reason,
    }
  }

  /** By target, if it is open and was looked at lately. */
  hot(target: string): Resource | undefined {
    return this.#targets.find(target)
  }

  /** Lets `hot()` find a resource by its target. */
  remember(target: string, resource: Resource): void {
    if (resource.freshUntil !== Number.NEGATIVE_INFINITY) this.#targets.add(target, resource)
  }

  /** By path, if it is open and was looked at lately. */
  fresh(name: string): Resource | undefined {
    const resource = this.#resources.get(name)
    if (resource === undefined || performance.now() >= resource.freshUntil) return undefined
    resource.wasUsed = true
    return resource
  }

  /** By path, however old. */
  known(name: string): Resource | undefined {
    return this.#resources.get(name)
  }

  /** To be called before a file is opened, so that no change of it is missed. */
  async cover(name: string): Promise<Cover> {
    const directory = await this.#watch?.cover(parentOf(name))
    return { directory, epoch: this.#watch?.epoch ?? 0 }
  }

  /** The file that was covered is not kept. */
  uncover({ directory }: Cover): void {
    if (directory !== undefined) this.#watch?.release(directory)
  }

  /** Keeps a resource, in place of another one of its path. @param watchable whether all its changes go by its path */
  keep(resource: Resource, cover: Cover, watchable: boolean): Resource {
    this.drop(resource.path)
    this.#resources.set(resource.path, resource)
    this.#newest = resource
    this.#count(resource.descriptors)
    this.trust(resource, cover, watchable)
    while (this.descriptors > this.#settings.cacheEntries && this.dropOldest(false)) {}
    keptDescriptors.bound()
    return resource
  }

  /** A resource was seen to be current. */
  trust(resource: Resource, cover: Cover, watchable: boolean): void {
    const now = performance.now()
    this.#targets.forgetIndirect(resource)
    resource.freshUntil = now + this.#settings.cacheMs
    const { directory, epoch } = cover
    const before = this.#covers.get(resource)
    const unchanged = directory !== undefined && epoch === this.#watch?.epoch
    if (unchanged && watchable) {
      resource.freshUntil = now + Math.max(WATCHED_MS, this.#settings.cacheMs)
      this.#covers.set(resource, directory)
      if (before !== undefined) this.#watch?.release(before)
    } else {
      this.#covers.delete(resource)
      if (before !== undefined) this.#watch?.release(before)
      this.uncover(cover)
      if (unchanged && this.#watch !== undefined) this.#watch.reason = 'other links of a file are not watched'
    }
  }

  #count(descriptors: number): void {
    this.descriptors += descriptors
    keptDescriptors.count(descriptors)
  }

  /** More of a resource may have come into memory: older ones may have to go. */
  grown(resource: Resource): void {
    if (this.#resources.get(resource.path) !== resource) return
    const bytes = resource.memoryBytes
    this.#bytes += bytes - resource.keptBytes
    resource.keptBytes = bytes
    while (this.#bytes > this.#settings.cacheBytes && this.dropOldest(false)) {}
  }

  /**
   * The oldest goes that was not used since its turn came last; those that were go behind the others. What came last stays.
   *
   * @param last whether the one that is left may go too
   */
  dropOldest(last: boolean): boolean {
    if (this.#resources.size <= (last ? 0 : 1)) return false
    // Who is passed over comes again, and then is one that was not used.
    for (const [name, resource] of this.#resources) {
      if (!resource.wasUsed && (last || resource !== this.#newest)) {
        this.#evictions++
        this.drop(name)
        return true
      }
      resource.wasUsed = false
      this.#resources.delete(name)
      this.#resources.set(name, resource)
    }
    return false
  }

  /** Keeps a path no more; responses under way keep its files. */
  drop(name: string): void {
    const resource = this.#resources.get(name)
    if (resource === undefined) return
    this.#resources.delete(name)
    if (this.#newest === resource) this.#newest = undefined
    this.#count(-resource.descriptors)
    this.#bytes -= resource.keptBytes
    resource.freshUntil = Number.NEGATIVE_INFINITY
    this.#targets.forget(resource)
    // Connections hold it until they are asked for something else: its bytes are counted no more.
    resource.forget()
    const directory = this.#covers.get(resource)
    this.#covers.delete(resource)
    if (directory !== undefined) this.#watch?.release(directory)
    resource.release()
  }

  #changed({ path, below, named }: Change): void {
    this.drop(path)
    if (CODED.test(path)) this.drop(path.replace(CODED, ''))
    if (named) this.#targets.doubtIndirect()
    if (!below) return
    const prefix = path === '' ? '' : `${path}/`
    for (const name of [...this.#resources.keys()]) if (name.startsWith(prefix)) this.drop(name)
  }

  /** Keeps nothing any more. */
  close(): void {
    for (const name of [...this.#resources.keys()]) this.drop(name)
    keptDescriptors.leave(this)
    this.#targets.clear()
    this.#watch?.close()
  }
}
