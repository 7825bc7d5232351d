import type { Resource } from './resource.js'

/** Bytes of a target beyond which it is not remembered, and of all that are: whoever asks chooses them. */
const TARGET_BYTES = 1024
const ALL_BYTES = 4 << 20

/** What a target is remembered by: its path, since no file depends on a query. Undefined where it is not worth it. */
function keyOf(target: string): string | undefined {
  if (target.charCodeAt(0) !== 0x2f) return undefined // absolute: any host would be another one
  const mark = target.indexOf('?')
  if (mark < 0) return target.length <= TARGET_BYTES ? target : undefined
  // What is malformed stays so.
  return mark <= TARGET_BYTES && !target.includes('#', mark) ? target.slice(0, mark) : undefined
}

/** Whether a target is the name of its file, and not one that may lead to another file some time. */
function isName(key: string, { path }: Resource): boolean {
  return key.length === path.length + 1 && key.endsWith(path)
}

/**
 * Resources by the target that led to them, as it was sent: a shortcut past taking it apart. Each is checked by its
 * resource's own freshness. Bounded in number and bytes; what is forgotten has to be found out anew.
 */
export class RememberedTargets {
  readonly #most: number
  readonly #resources = new Map<string, Resource>()
  /** Those whose target is not their name: a new file may come between. */
  readonly #indirect = new Map<string, Resource>()
  /** What leads to each. */
  readonly #keys = new Map<Resource, Set<string>>()
  #bytes = 0

  constructor(most: number) {
    this.#most = most
  }

  /** How many there are. */
  get size(): number {
    return this.#resources.size
  }

  /** By target, if it was looked at lately. */
  find(target: string): Resource | undefined {
    const resource = this.#resources.get(target)
    if (resource !== undefined) return this.#fresh(target, resource)
    if (!target.includes('?')) return undefined
    const key = keyOf(target)
    const asked = key === undefined ? undefined : this.#resources.get(key)
    return asked === undefined ? undefined : this.#fresh(key as string, asked)
  }

  #fresh(key: string, resource: Resource): Resource | undefined {
    if (performance.now() < resource.freshUntil) {
      resource.wasUsed = true
      return resource
    }
    this.#remove(key, resource)
    return undefined
  }

  #remove(key: string, resource: Resource): void {
    this.#resources.delete(key)
    this.#indirect.delete(key)
    this.#bytes -= key.length
    const keys = this.#keys.get(resource)
    keys?.delete(key)
    if (keys?.size === 0) this.#keys.delete(resource)
  }

  /** Has a resource found by a target. */
  add(target: string, resource: Resource): void {
    const key = keyOf(target)
    if (key === undefined) return
    const most = Math.max(this.#resources.size, this.#indirect.size)
    if (most >= this.#most || this.#bytes + key.length > ALL_BYTES) this.clear()
    const before = this.#resources.get(key)
    if (before !== undefined) this.#remove(key, before)
    this.#bytes += key.length
    this.#resources.set(key, resource)
    const keys = this.#keys.get(resource)
    if (keys === undefined) this.#keys.set(resource, new Set([key]))
    else keys.add(key)
    if (!isName(key, resource)) this.#indirect.set(key, resource)
  }

  /** A resource was looked at again, which says nothing of what else may stand by now where it stood for something. */
  forgetIndirect(resource: Resource): void {
    for (const key of this.#keys.get(resource) ?? []) if (!isName(key, resource)) this.#remove(key, resource)
  }

  /** Lets go of a resource that is kept no more. */
  forget(resource: Resource): void {
    for (const key of this.#keys.get(resource) ?? []) this.#remove(key, resource)
  }

  /** Has those looked at again whose target is not their name. Connections remember them, too: so by their freshness. */
  doubtIndirect(): void {
    for (const resource of this.#indirect.values()) resource.freshUntil = Math.min(resource.freshUntil, 0)
    this.#indirect.clear()
  }

  /** Forgets all of them. */
  clear(): void {
    this.#resources.clear()
    this.#keys.clear()
    this.doubtIndirect()
    this.#bytes = 0
  }
}
