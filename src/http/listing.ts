import { type Dirent, promises as fs } from 'node:fs'
import { syscall } from '../kernel/index.js'
import type { Answer } from './answer.js'
import type { RequestPath } from './request-path.js'
import type { OpenedFile } from './root-directory.js'
import type { StaticFile } from './static-file.js'

/** Names in one listing; a larger directory says that it was cut. */
const MAX_NAMES = 10_000

interface Entry {
  name: string
  type: 'directory' | 'file'
  size: number
  modified: string
}

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const escapeHtml = (text: string) => text.replace(/[&<>"']/g, character => escapes[character])

interface Listing {
  entries: Entry[]
  cut: boolean
}

/** Names that are looked at side by side. */
const BATCH = 64
/** Making one takes far longer than comparing by it. */
const collator = new Intl.Collator(undefined, { numeric: true })
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

/** Opens what a path below the root leads to, as a request for it would. @returns what it is, or -errno */
type Open = (path: string) => Promise<OpenedFile | number>

/** The directories of a site as lists: HTML for people, JSON for whoever prefers it (`Accept: application/json`). */
export class DirectoryListings {
  readonly #open: Open
  readonly #dotfiles: boolean
  /** Listings that are being made: who asks for one meanwhile gets the same. */
  readonly #underWay = new Map<string, Promise<Listing>>()

  /** @param dotfiles whether names that begin with a dot are served */
  constructor(open: Open, dotfiles: boolean) {
    this.#open = open
    this.#dotfiles = dotfiles
  }

  /** @param directory open: what is listed is what was resolved, whatever stands at its path by now */
  async answer(directory: StaticFile, path: RequestPath, accept: string | undefined): Promise<Answer> {
    const { entries, cut } = await this.#listingOf(directory, path.segments)
    const json = /\bapplication\/json\b/.test(accept ?? '') && !/\btext\/html\b/.test(accept ?? '')
    const text = json ? JSON.stringify({ entries, cut }) : page(path, entries, cut)
    const bytes = new TextEncoder().encode(text)
    return {
      status: 200,
      fields: [
        ['Content-Type', json ? 'application/json' : 'text/html; charset=utf-8'],
        ['Content-Length', String(bytes.length)],
        ['Vary', 'Accept'],
        ['Cache-Control', 'no-cache'],
        ['X-Content-Type-Options', 'nosniff'],
        ['Content-Security-Policy', POLICY],
      ],
      body: { kind: 'bytes', bytes },
    }
  }

  /** However many ask for a large directory at once, it is held once. */
  #listingOf({ fd, device, inode }: StaticFile, segments: readonly string[]): Promise<Listing> {
    // By its path too: what a relative link in it leads to may be beneath the root by one and not by another.
    const prefix = segments.map(segment => `${segment}/`).join('')
    const key = `${device}:${inode}:${prefix}`
    let listing = this.#underWay.get(key)
    if (listing === undefined) {
      listing = this.#readEntries(fd, prefix).finally(() => this.#underWay.delete(key))
      this.#underWay.set(key, listing)
    }
    return listing
  }

  async #readEntries(fd: number, prefix: string): Promise<Listing> {
    const directory = `/proc/self/fd/${fd}`
    const found: Dirent[] = []
    let cut = false
    for await (const dirent of await fs.opendir(directory, { bufferSize: 256 })) {
      if (!this.#dotfiles && dirent.name.startsWith('.')) continue
      if (!dirent.isDirectory() && !dirent.isFile() && !dirent.isSymbolicLink()) continue
      if (found.length === MAX_NAMES) {
        cut = true
        break
      }
      found.push(dirent)
    }
    const entries: Entry[] = []
    const entryOf = (dirent: Dirent) =>
      dirent.isSymbolicLink() ? this.#follow(dirent.name, prefix) : look(directory, dirent.name)
    for (let at = 0; at < found.length; at += BATCH) {
      const batch = await Promise.all(found.slice(at, at + BATCH).map(entryOf))
      for (const entry of batch) if (entry !== undefined) entries.push(entry)
    }
    entries.sort((a, b) => a.type.localeCompare(b.type) || collator.compare(a.name, b.name))
    return { entries, cut }
  }

  /** @returns what a link leads to; undefined where it leads to nothing that is served */
  async #follow(name: string, prefix: string): Promise<Entry | undefined> {
    const opened = await this.#open(prefix + name)
    if (typeof opened === 'number') return undefined
    syscall('close', opened.fd)
    const { kind, size, modified } = opened
    if (kind === 'other') return undefined
    return { name, type: kind, size, modified: new Date(Number(modified / 1_000_000n)).toISOString() }
  }
}

/** @returns undefined for what is gone since */
async function look(directory: string, name: string): Promise<Entry | undefined> {
  const stats = await fs.lstat(`${directory}/${name}`).catch(() => undefined)
  if (stats === undefined) return undefined
  const type = stats.isDirectory() ? 'directory' : 'file'
  return { name, type, size: stats.size, modified: stats.mtime.toISOString() }
}

function humanSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10))
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

function row(entry: Entry): string {
  const directory = entry.type === 'directory'
  const name = directory ? `${entry.name}/` : entry.name
  const href = `./${encodeURIComponent(entry.name)}${directory ? '/' : ''}`
  const size = directory ? '' : humanSize(entry.size)
  return `<tr><td><a href="${href}">${escapeHtml(name)}</a><td data-v="${directory ? -1 : entry.size}">${size}<td>${entry.modified.slice(0, 16).replace('T', ' ')}`
}

const STYLE = `:root{color-scheme:light dark;background:Canvas;color:CanvasText;font:15px/1.5 system-ui,sans-serif}body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;white-space:nowrap}
td:first-child{white-space:normal;word-break:break-all}tr{border-top:1px solid #8884}thead tr{border:0}
th button{all:unset;cursor:pointer;font-weight:600}th button:focus-visible{outline:2px solid;outline-offset:2px}
th button::after{content:'\\a0\\2191';visibility:hidden}th[aria-sort] button::after{visibility:visible}
th[aria-sort=descending] button::after{content:'\\a0\\2193'}td+td{font-variant-numeric:tabular-nums}
@media (max-width:30rem){th:last-child,td:last-child{display:none}}`

/** Sorts the rows by a column; folders stay before files, and names alike keep to their numbers. */
const SCRIPT = `const heads=[...document.querySelectorAll('th')],rows=document.querySelector('tbody:last-of-type')
const {compare}=new Intl.Collator(undefined,{numeric:true}),size=row=>+row.cells[1].dataset.v,text=(row,i)=>row.cells[i].textContent
heads.forEach((head,i)=>head.firstChild.onclick=()=>{const d=head.ariaSort==='ascending'?-1:1
for(const other of heads)other.removeAttribute('aria-sort')
head.setAttribute('aria-sort',d>0?'ascending':'descending')
const by=(a,b)=>i===1?size(a)-size(b):compare(text(a,i),text(b,i))
rows.append(...[...rows.rows].sort((a,b)=>(size(a)>=0)-(size(b)>=0)||d*by(a,b)||compare(text(a,0),text(b,0))))})`

const HEADS = `<th scope="col" aria-sort="ascending"><button type="button">Name</button><th scope="col"><button type="button">Size</button>
<th scope="col"><button type="button">Modified</button>`

function page(path: RequestPath, entries: readonly Entry[], cut: boolean): string {
  const title = escapeHtml(`/${path.segments.map(segment => `${segment}/`).join('')}`)
  const up = path.segments.length > 0 ? '<tbody><tr><td><a href="../">../</a><td><td></tbody>' : ''
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>${title}</title><style>${STYLE}</style>
<h1>${title}</h1><table><thead><tr>${HEADS}</thead>${up}<tbody>
${entries.map(row).join('\n')}</tbody></table>${cut ? `<p>Only the first ${MAX_NAMES} names are shown.` : ''}
<script>${SCRIPT}</script>`
}
