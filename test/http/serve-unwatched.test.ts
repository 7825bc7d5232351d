import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { serve } from 'sluice/http'
import { ensureDebianPackages } from '#scripts/setup.js'
import { cannotMount } from '../helpers/mounts.js'

/* Where inotify has no watch left, or cannot see, what is kept is looked at again: nothing is served longer than said. */

const HTTP = import.meta.resolve('#dist/http/index.js')
const CACHE_MS = 100
let base: string

before(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-unwatched-'))
})

after(() => fs.rmSync(base, { recursive: true }))

function folder(name: string): string {
  const made = path.join(base, name)
  fs.mkdirSync(made)
  return made
}

/**
 * Changes files below `source` in every way there is, and asks for each over and over: the answer to a request that was
 * made longer than `cacheMs` after the change must be what anybody reads below `root`. A program, as it runs in
 * processes of its own too.
 */
const WATCHER = `
async function staleAnswers(server, source, root, cacheMs) {
  const { existsSync, readFileSync, renameSync, rmSync, writeFileSync, utimesSync, statSync } = await import('node:fs')
  const ask = async name => {
    const response = await fetch('http://127.0.0.1:' + server.port + '/' + name)
    return response.status === 200 ? await response.text() : String(response.status)
  }
  const changes = {
    written: name => writeFileSync(name, 'other, and longer'),
    disguised: name => {
      const { atime, mtime } = statSync(name)
      writeFileSync(name, 'other')
      utimesSync(name, atime, mtime)
    },
    replaced: name => { writeFileSync(name + '~', 'other'); renameSync(name + '~', name) },
    removed: name => rmSync(name),
  }
  const found = []
  for (const name of Object.keys(changes)) writeFileSync(source + '/' + name, 'first')
  for (const [name, change] of Object.entries(changes)) {
    if (await ask(name) !== 'first' || await ask(name) !== 'first') found.push(name + ' was not served')
    change(source + '/' + name)
    const changed = performance.now()
    for (;;) {
      const late = performance.now() - changed > cacheMs
      const answer = await ask(name)
      if (!late) continue
      const file = root + '/' + name
      const read = existsSync(file) ? readFileSync(file, 'utf8') : '404'
      if (answer !== read) found.push(name + ': ' + answer + ' is served, where ' + read + ' is')
      break
    }
  }
  return found
}`
const staleAnswers: (server: object, source: string, root: string, cacheMs: number) => Promise<string[]> =
  new Function(`${WATCHER}; return staleAnswers`)()

/** Serves a folder in a user namespace of its own, in which a limit of inotify is what we say. */
function withLimit(
  t: TestContext,
  limit: string,
  value: number,
): { found: string[]; reason: string } | undefined {
  const root = folder(limit)
  const program = `
    import { serve } from ${JSON.stringify(HTTP)}
    ${WATCHER}
    const server = await serve({ root: ${JSON.stringify(root)}, host: '127.0.0.1', port: 0, cacheMs: ${CACHE_MS} })
    const found = await staleAnswers(server, ${JSON.stringify(root)}, ${JSON.stringify(root)}, ${CACHE_MS})
    console.log(JSON.stringify({ found, reason: server.site.cacheStats().reason }))
    process.exit(0)`
  const script = `echo ${value} > /proc/sys/user/${limit} && exec "$0" --input-type=module --eval "$1"`
  const args = ['--user', '--map-root-user', 'sh', '-c', script, process.execPath, program]
  const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 30_000 })
  if (status !== 0 && /unshare: |Permission denied|cannot create/.test(stderr)) {
    t.skip(`no user namespace whose limits can be set: ${stderr.trim()}`)
    return undefined
  }
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

test('where the watches of inotify are used up, files are looked at again in time, and the reason is told', t => {
  const result = withLimit(t, 'max_inotify_watches', 0)
  if (result === undefined) return
  assert.deepEqual(result.found, [])
  assert.match(result.reason, /inotify_add_watch: ENOSPC .*max_user_watches/)
})

test('where there may be no inotify at all, files are looked at again in time, and the reason is told', t => {
  const result = withLimit(t, 'max_inotify_instances', 0)
  if (result === undefined) return
  assert.deepEqual(result.found, [])
  assert.match(result.reason, /inotify_init1: EMFILE/)
})

/** Serves what is mounted while its files change underneath. */
async function servesInTime(mounted: string, source: string, reason: RegExp): Promise<void> {
  await using server = await serve({ root: mounted, host: '127.0.0.1', port: 0, cacheMs: CACHE_MS })
  assert.deepEqual(await staleAnswers(server, source, mounted, CACHE_MS), [])
  assert.equal(server.site.cacheStats().watched, 0)
  assert.match(server.site.cacheStats().reason ?? '', reason)
}

function mount(t: TestContext, point: string, command: string, ...args: string[]): boolean {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) {
    t.skip(`${command} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`)
    return false
  }
  t.after(() => spawnSync('umount', ['--lazy', point]))
  return true
}

test('what changes behind a FUSE file system is seen in time', { timeout: 30_000 }, async t => {
  if (cannotMount !== undefined) return t.skip(cannotMount)
  if (!fs.existsSync('/dev/fuse')) return t.skip('there is no /dev/fuse')
  if (!(await ensureDebianPackages(['bindfs']))) return t.skip('the package bindfs is not installed')
  const [source, point] = [folder('below'), folder('fuse')]
  // What FUSE itself keeps comes on top: here nothing.
  const plain = 'attr_timeout=0,entry_timeout=0,negative_timeout=0'
  if (!mount(t, point, 'bindfs', '-o', plain, source, point)) return
  await servesInTime(point, source, /file system of type 0x65735546/)
})

// An overlay goes on showing a file that was replaced or removed below it: then so do we, and who reads it otherwise.
test('what changes in the lower folder of an overlay is seen in time, as far as the overlay shows it', {
  timeout: 30_000,
}, async t => {
  if (cannotMount !== undefined) return t.skip(cannotMount)
  const [lower, point] = [folder('lower'), folder('overlay')]
  const layers = `lowerdir=${lower}:${folder('lowest')}`
  if (!mount(t, point, 'mount', '-t', 'overlay', '-o', layers, 'overlay', point)) return
  await servesInTime(point, lower, /file system of type 0x794c7630/)
})
