import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type FileServer, type ServeOptions, serve } from 'sluice/http'
import type { SiteName } from './rule.js'

const MODIFIED = Date.parse('2024-03-01T12:00:00Z')
const OPTIONS: Record<SiteName, Partial<ServeOptions>> = {
  plain: {},
  coded: {},
  fallback: { fallback: 'app.html' },
  status: { status: { path: '/state' } },
  rules: {
    immutable: ['a.txt'],
    headers: {
      'long.txt': { 'Cache-Control': 'max-age=60, stale-while-revalidate=600' },
      'docs/*': { 'Content-Disposition': "attachment; filename*=UTF-8''b%C3%A4.txt" },
    },
  },
}
const LIMITS = { maxBody: 1000, headTimeout: 5000, bodyTimeout: 5000, idleTimeout: 5000 }
const FILES = {
  'a.txt': 'hello',
  'docs/b.txt': 'b',
  'docs/index.html': '<p>docs',
  'app.js': 'let app = 1',
  'app.js.br': 'brotli',
  'app.js.gz': 'gzipped',
  'app.html': '<p>app',
  'long.txt': '0'.repeat(1000),
  '.well-known/x': 'known',
  '.hidden': 'hidden',
  empty: '',
  blob: 'blob',
  sentinel: '<sentinel>',
}

/** The servers that rules are held against, and what is known of their files. */
export class RuledServers {
  readonly #root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-conformance-'))
  readonly #servers = new Map<SiteName, FileServer>()
  readonly #facts = new Map<string, string>()

  /** @param options of each, beside its own */
  async start(options: Partial<ServeOptions> = {}): Promise<void> {
    for (const [name, content] of Object.entries(FILES)) {
      const file = path.join(this.#root, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, content)
      fs.utimesSync(file, MODIFIED / 1000, MODIFIED / 1000)
    }
    const future = path.join(this.#root, 'future.txt')
    fs.writeFileSync(future, 'hello')
    fs.utimesSync(future, Date.now() / 1000, Date.now() / 1000 + 86_400)
    const common = { root: this.#root, host: '127.0.0.1', port: 0, ...LIMITS }
    for (const [name, own] of Object.entries(OPTIONS))
      this.#servers.set(name as SiteName, await serve({ ...common, ...options, ...own }))
    await using plain = await serve(common)
    const tagOf = async (target: string, headers: Record<string, string>) => {
      const all = { ...headers, connection: 'close' }
      return (
        (await fetch(`http://127.0.0.1:${plain.port}${target}`, { headers: all })).headers.get('etag') ?? ''
      )
    }
    this.#facts.set('etag', await tagOf('/a.txt', {}))
    this.#facts.set('coded', await tagOf('/app.js', { 'Accept-Encoding': 'br' }))
    this.#facts.set('modified', new Date(MODIFIED).toUTCString())
    this.#facts.set('earlier', new Date(MODIFIED - 1000).toUTCString())
    this.#facts.set('later', new Date(MODIFIED + 1000).toUTCString())
  }

  /** Where one of them listens. */
  port(site: SiteName): number {
    return (this.#servers.get(site) as FileServer).port
  }

  /** A rule's text with the facts that it names in it. */
  withFacts(text: string): string {
    return text.replace(/\{(\w+)\}/g, (whole, name) => this.#facts.get(name) ?? whole)
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) await server.close({ timeout: 0 })
    fs.rmSync(this.#root, { recursive: true })
  }
}
