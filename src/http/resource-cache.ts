import { type Change, DirectoryWatch, parentOf, type WatchedDirectory } from './directory-watch.js'
import type { Resource } from './resource.js'
import type { RootDirectory } from './root-directory.js'
import type { SiteSettings } from './site-options.js'

/** How long a file is trusted whose directory is watched: a write through a mapping is not told by inotify. */
const WATCHED_MS = 30_000
const SIDECAR = /\.(?:br|zst|gz)$/

/** What the cache holds, and how it keeps what it holds current. */
export interface CacheStats {
  /** Files that are open. */
  files: number
  /** Bytes of files that are kept in memory. */
  bytes: number
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
 * Open files by their path below the root, bounded in number and bytes, the least recently used going first. A change
 * is seen by inotify at once where that can see it; elsewhere a file is looked at again after a time.
 */
export class ResourceCache {
  readonly #settings: SiteSettings
  readonly #watch: DirectoryWatch | undefined
  readonly #resources = new Map<string, Resource>()
  readonly #covers = new Map<Resource, WatchedDirectory>()
  /** By target, as it was sent: a shortcut past taking it apart. Each is checked by its resource's own freshness. */
  readonly #targets = new Map<string, Resource>()
  /** Files by a target that is not their name: a new file may come between. */
  readonly #indirect = new Map<string, Resource>()
  #bytes = 0
  #evictions = 0

  constructor(root: RootDirectory, settings: SiteSettings) {
    this.#settings = settings
    if (settings.watch) this.#watch = new DirectoryWatch(root, change => this.#changed(change))
  }

  /** What it holds now. */
  stats(): CacheStats {
    return {
      files: this.#resources.size,
      bytes: this.#bytes,
      evictions: this.#evictions,
      watched: this.#covers.size,
      directories: this.#watch?.size ?? 0,
      reason: this.#watch === undefined ? 'not asked for' : this.#watch.reason,
    }
  }

  /** By target, if it is open and was looked at lately. */
  hot(target: string): Resource | undefined {
    const resource = this.#targets.get(target)
    if (resource === undefined) return undefined
    if (performance.now() < resource.freshUntil) return resource
    this.#targets.delete(target)
    return undefined
  }

  /** Lets `hot()` find a resource by its target. */
  remember(target: string, resource: Resource): void {
    if (resource.freshUntil === Number.NEGATIVE_INFINITY) return
    // More than there are files: a file has other names, and what is forgotten has to be found out anew.
    if (this.#targets.size >= 2 * this.#settings.cacheEntries) {
      this.#targets.clear()
      this.#indirect.clear()
    }
    this.#targets.set(target, resource)
    if (target.length !== resource.path.length + 1 || !target.endsWith(resource.path))
      this.#indirect.set(target, resource)
  }

  /** By path, if it is open and was looked at lately. */
  fresh(name: string): Resource | undefined {
    const resource = this.#resources.get(name)
    if (resource === undefined || performance.now() >= resource.freshUntil) return undefined
    this.#resources.delete(name)
    this.#resources.set(name, resource)
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
    this.trust(resource, cover, watchable)
    if (this.#resources.size > this.#settings.cacheEntries) this.#dropOldest()
    return resource
  }

  /** A resource was seen to be current. */
  trust(resource: Resource, cover: Cover, watchable: boolean): void {
    const now = performance.now()
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

  /** Bytes of a resource have come into memory: older ones may have to go. */
  grown(resource: Resource, bytes: number): void {
    if (this.#resources.get(resource.path) !== resource) return
    resource.keptBytes += bytes
    this.#bytes += bytes
    while (this.#bytes > this.#settings.cacheBytes && this.#resources.size > 1) this.#dropOldest()
  }

  #dropOldest(): void {
    const [oldest] = this.#resources.keys()
    this.#evictions++
    this.drop(oldest)
  }

  /** Keeps a path no more; responses under way keep its files. */
  drop(name: string): void {
    const resource = this.#resources.get(name)
    if (resource === undefined) return
    this.#resources.delete(name)
    this.#bytes -= resource.keptBytes
    resource.freshUntil = Number.NEGATIVE_INFINITY
    const directory = this.#covers.get(resource)
    this.#covers.delete(resource)
    if (directory !== undefined) this.#watch?.release(directory)
    resource.release()
  }

  #changed({ path, below, named }: Change): void {
    this.drop(path)
    if (SIDECAR.test(path)) this.drop(path.replace(SIDECAR, ''))
    if (named) {
      // Connections remember what they were asked for last: so they look again, too.
      for (const resource of this.#indirect.values()) resource.freshUntil = Math.min(resource.freshUntil, 0)
      this.#indirect.clear()
    }
    if (!below) return
    const prefix = path === '' ? '' : `${path}/`
    for (const name of [...this.#resources.keys()]) if (name.startsWith(prefix)) this.drop(name)
  }

  /** Keeps nothing any more. */
  close(): void {
    for (const name of [...this.#resources.keys()]) this.drop(name)
    this.#targets.clear()
    this.#watch?.close()
  }
}
