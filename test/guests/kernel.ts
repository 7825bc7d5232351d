import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withLock } from '#scripts/lock.js'

/** Where unpacked kernels are kept: a hundred megabytes, fetched once. */
const STORE = fileURLToPath(new URL('../../kernels', import.meta.url))
const IMAGE = /^linux-image-(\d[\w.+~-]*)-amd64-unsigned /
const MODULE = /\.ko(\.xz)?$/
const MODULE_BYTES = 64 * 2 ** 20

/** A kernel of Debian's, unpacked and not installed. */
export interface GuestKernel {
  /** Of the image that a machine boots. */
  image: string
  /** Folder of the modules. */
  modules: string
}

/** A module, uncompressed, after all that it needs. */
export interface KernelModule {
  name: string
  contents: Buffer
}

/** A kernel of Debian's: what has been fetched before, else the newest there is; where there is none, why. */
export async function guestKernel(): Promise<GuestKernel | string> {
  return withLock(`${STORE} kernel`, async () => {
    mkdirSync(STORE, { recursive: true })
    if (stored() === undefined) {
      const reason = fetchNewest()
      if (reason !== undefined) return reason
    }
    const folder = join(STORE, stored() ?? '')
    const image = readdirSync(join(folder, 'boot')).find(file => file.startsWith('vmlinuz'))
    return { image: join(folder, 'boot', image ?? ''), modules: join(folder, 'lib/modules') }
  })
}

function stored(): string | undefined {
  return readdirSync(STORE).find(name => name.startsWith('linux-image-'))
}

function newestPackage(): string | undefined {
  const { stdout } = spawnSync('apt-cache', ['search', '--names-only', '^linux-image-.*-amd64-unsigned$'], {
    encoding: 'utf8',
  })
  const names = (stdout ?? '').split('\n').flatMap(line => IMAGE.exec(line)?.[0].trim() ?? [])
  // Those for clouds and for real time have fewer drivers, or other ones.
  const usual = names.filter(name => !/-(cloud|rt)-/.test(name))
  return usual.sort((one, other) => one.localeCompare(other, 'en', { numeric: true })).at(-1)
}

/** @returns why it cannot be had */
function fetchNewest(): string | undefined {
  const name = newestPackage()
  if (name === undefined) return 'apt offers no kernel for amd64'
  const work = mkdtempSync(join(STORE, 'new-'))
  try {
    const download = spawnSync('apt-get', ['-qq', 'download', name], { cwd: work, encoding: 'utf8' })
    if (download.status !== 0) return `apt-get cannot fetch ${name}: ${download.stderr}`
    const [file] = readdirSync(work)
    execFileSync('dpkg-deb', ['--extract', join(work, file), join(work, 'root')])
    renameSync(join(work, 'root'), join(STORE, name))
    return undefined
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Modules of a kernel with all that they need, in the order in which they can be loaded. What is built in is left out. */
export function modulesOf({ modules }: GuestKernel, names: readonly string[]): KernelModule[] {
  const files = new Map<string, string>()
  for (const path of readdirSync(modules, { recursive: true, encoding: 'utf8' })) {
    if (!MODULE.test(path)) continue
    files.set(path.replace(/^.*\//, '').replace(MODULE, '').replaceAll('-', '_'), join(modules, path))
  }
  const found = new Map<string, KernelModule>()
  const add = (name: string) => {
    const file = files.get(name.replaceAll('-', '_'))
    if (file === undefined || found.has(name)) return
    const contents = read(file)
    for (const needed of needs(contents)) add(needed)
    found.set(name, { name, contents })
  }
  for (const name of names) add(name)
  return [...found.values()]
}

function read(file: string): Buffer {
  if (!file.endsWith('.xz')) return readFileSync(file)
  return execFileSync('xz', ['--decompress', '--stdout', file], { maxBuffer: MODULE_BYTES })
}

/** Names of the modules that one needs, from its section `.modinfo`: strings, each with a NUL behind it. */
function needs(contents: Buffer): string[] {
  const key = '\0depends='
  const start = contents.indexOf(key)
  if (start < 0) return []
  const text = contents.toString('latin1', start + key.length, contents.indexOf(0, start + key.length))
  return text.split(',').filter(name => name !== '')
}
