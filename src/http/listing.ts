import { type Dirent, promises as fs } from 'node:fs'
import type { Answer } from './answer.js'
import type { RequestPath } from './request-path.js'
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
/** Listings that are being made: who asks for one meanwhile gets the same. */
const underWay = new Map<string, Promise<Listing>>()

/**
 * Lists a directory, as HTML for people and as JSON for whoever prefers it (`Accept: application/json`).
 *
 * @param directory open: what is listed is what was resolved, whatever stands at its path by now
 */
export async function listDirectory(
  directory: StaticFile,
  path: RequestPath,
  accept: string | undefined,
  dotfiles: boolean,
): Promise<Answer> {
  const { entries, cut } = await listingOf(directory, dotfiles)
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
      [
        'Content-Security-Policy',
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'",
      ],
    ],
    body: { kind: 'bytes', bytes },
  }
}

/** However many ask for a large directory at once, it is held once. */
function listingOf({ fd, device, inode }: StaticFile, dotfiles: boolean): Promise<Listing> {
  const key = `${device}:${inode}:${dotfiles}`
  let listing = underWay.get(key)
  if (listing === undefined) {
    listing = readEntries(fd, dotfiles).finally(() => underWay.delete(key))
    underWay.set(key, listing)
  }
  return listing
}

async function readEntries(fd: number, dotfiles: boolean): Promise<Listing> {
  const directory = `/proc/self/fd/${fd}`
  const found: Dirent[] = []
  let cut = false
  for await (const dirent of await fs.opendir(directory, { bufferSize: 256 })) {
    if (!dotfiles && dirent.name.startsWith('.')) continue
    if (!dirent.isDirectory() && !dirent.isFile()) continue
    if (found.length === MAX_NAMES) {
      cut = true
      break
    }
    found.push(dirent)
  }
  const entries: Entry[] = []
  for (let at = 0; at < found.length; at += BATCH) {
    const batch = await Promise.all(found.slice(at, at + BATCH).map(({ name }) => look(directory, name)))
    for (const entry of batch) if (entry !== undefined) entries.push(entry)
  }
  entries.sort((a, b) => a.type.localeCompare(b.type) || collator.compare(a.name, b.name))
  return { entries, cut }
}

/** Making one takes far longer than comparing by it. */
const collator = new Intl.Collator(undefined, { numeric: true })

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

function page(path: RequestPath, entries: readonly Entry[], cut: boolean): string {
  const title = escapeHtml(`/${path.segments.join('/')}`)
  const up = path.segments.length > 0 ? '<tr><td><a href="../">../</a><td data-v="-2"><td>' : ''
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><style>
:root{color-scheme:light dark;font:15px/1.5 system-ui,sans-serif}body{max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;white-space:nowrap}
td:first-child{white-space:normal;word-break:break-all}th{cursor:pointer}tr+tr{border-top:1px solid #8884}
td+td{font-variant-numeric:tabular-nums;opacity:.75}
</style><h1>${title}</h1><table><thead><tr><th>Name<th>Size<th>Modified</thead><tbody>${up}
${entries.map(row).join('\n')}</tbody></table>${cut ? `<p>Only the first ${MAX_NAMES} names are shown.` : ''}
<script>document.querySelectorAll('th').forEach((h,i)=>h.onclick=()=>{const b=document.querySelector('tbody'),d=h.dataset.d=h.dataset.d==='1'?-1:1
const k=r=>{const c=r.cells[i];return i===1?+c.dataset.v:c.textContent.toLowerCase()}
b.append(...[...b.rows].sort((x,y)=>{const p=k(x),q=k(y);return(p<q?-1:p>q?1:0)*d}))})</script>`
}
