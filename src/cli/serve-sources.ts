import { UsageError } from './command.js'

/** Options by their names, those of an object with a dot. */
export type Found = Record<string, unknown>

/** Where options come from, and what they are called there. */
export interface Source {
  found: Found
  /** What an option is called: `--tls-cert`. @param part of it, as a message shows it */
  spell: (name: string, part?: string) => string
  /** What goes before its name where it has a place: `sluice.json:1:2: `. */
  place?: (name: string) => string
}

/** What says where to listen, by the ways that exclude one another. */
const WAYS: readonly (readonly string[])[] = [['host', 'port', 'reusePort'], ['path'], ['fd']]

/** Options that say nothing without another. */
const NEEDS: readonly (readonly [name: string, needed: string])[] = [
  ['tls.key', 'tls.cert'],
  ['tls.cert', 'tls.key'],
  ['tls.minVersion', 'tls.cert'],
  ['tls.passphrase', 'tls.cert'],
  ['accessLogFormat', 'accessLog'],
  ['status.allow', 'status.path'],
  ['status.hosts', 'status.path'],
]

const isGiven = (found: Found, name: string) => found[name] !== undefined && found[name] !== false

/** An option as its source calls it, behind its place. */
function told(source: Source, name: string, part?: string): string {
  return (source.place?.(name) ?? '') + source.spell(name, part)
}

/** The options of several sources. */
export class MergedOptions {
  readonly found: Found = {}
  readonly #sources = new Map<string, Source>()
  readonly #defaults: Source

  /**
   * @param sources the first of which are the defaults, and the last of which wins; where one says where to listen,
   *   whatever those before it say of another way is dropped
   * @throws {@link UsageError} for options that make sense only together, or not at all together
   */
  constructor(sources: readonly Source[]) {
    this.#defaults = sources[0]
    for (const source of sources) this.#add(source)
    for (const [name, needed] of NEEDS) {
      const source = this.#sources.get(name)
      if (source === undefined || this.found[needed] !== undefined) continue
      throw new UsageError(`${told(source, name)} needs ${source.spell(needed)}`)
    }
  }

  #add(source: Source): void {
    const given = WAYS.flatMap(way => way.find(name => isGiven(source.found, name)) ?? [])
    const [name, other] = given
    if (name !== undefined && other !== undefined)
      throw new UsageError(`${told(source, other)} cannot stand beside ${source.spell(name)}`)
    if (name !== undefined) {
      for (const dropped of WAYS.filter(way => !way.includes(name)).flat()) delete this.found[dropped]
      // It went with the address that a path took the place of: a port alone is not to be one of every interface.
      if (WAYS[0].includes(name)) this.found.host ??= this.#defaults.found.host
    }
    Object.assign(this.found, source.found)
    for (const key of Object.keys(source.found)) this.#sources.set(key, source)
  }

  /**
   * What an option is called where its value comes from.
   *
   * @param name of it or of part of it: `headers.Date`
   * @param which of its values, as a message shows it
   */
  told(name: string, which: string): string {
    const option = [...this.#sources.keys()].find(key => name === key || name.startsWith(`${key}.`)) ?? name
    const part = name.slice(option.length) + which
    return told(this.#sources.get(option) ?? this.#defaults, option, part)
  }
}
