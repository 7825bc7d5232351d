import { statSync } from 'node:fs'
import { Site } from './site.js'
import type { SiteOptions } from './site-options.js'

const MAX_SITES = 32
/** How long a root is taken for what it was, in milliseconds. */
const TRUST_MS = 1000

/** @returns undefined where there is nothing any more */
function identityOf(root: string): string | undefined {
  const stats = statSync(root, { throwIfNoEntry: false })
  return stats && `${stats.dev}:${stats.ino}`
}

/** A site that stays open for who asks next, and what its root was when it was opened. */
class KeptSite {
  readonly #root: string
  readonly #identity: string | undefined
  readonly #site: Site
  #checked = performance.now()
  /** Requests that look for something in it. Their answers need it no longer: they retain what was found. */
  #users = 0
  #left = false

  constructor(options: SiteOptions) {
    this.#root = options.root
    this.#identity = identityOf(options.root)
    this.#site = new Site({ ...options, watch: false })
  }

  /** Whether no other directory has been put in its root's place; looked at again after a second. */
  isCurrent(): boolean {
    const now = performance.now()
    if (now - this.#checked < TRUST_MS) return true
    if (identityOf(this.#root) !== this.#identity) return false
    this.#checked = now
    return true
  }

  async use<T>(look: (site: Site) => T | Promise<T>): Promise<T> {
    this.#users++
    try {
      return await look(this.#site)
    } finally {
      this.#users--
      this.#closeUnused()
    }
  }

  /** Nobody will ask any more; who does already is answered first. */
  leave(): void {
    this.#left = true
    this.#closeUnused()
  }

  #closeUnused(): void {
    if (this.#left && this.#users === 0) this.#site.close()
  }
}

/** By what they were made of, the least recently used first. */
const sites = new Map<string, KeptSite>()

/** The site of a root. One that has been put in the place of another is seen after a second. */
function keptSite(options: SiteOptions): KeptSite {
  const key = JSON.stringify(options)
  const known = sites.get(key)
  const current = known?.isCurrent() ? known : undefined
  if (current === undefined) known?.leave()
  sites.delete(key)
  const kept = current ?? new KeptSite(options)
  sites.set(key, kept)
  if (sites.size > MAX_SITES) {
    const [[oldest, left]] = sites
    sites.delete(oldest)
    left.leave()
  }
  return kept
}

/** Looks for something in the site of a root, which is opened unless it is among the last that were asked for. */
export async function withSite<T>(options: SiteOptions, look: (site: Site) => T | Promise<T>): Promise<T> {
  return keptSite(options).use(look)
}
