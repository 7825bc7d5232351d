/**
 * Copies once and prints how long that took, as JSON.
 *
 *   node bench/peers/copy-once.js CONTESTANT FROM TO STATE
 *
 * What was copied before is removed first, and what is dirty written, so that no contestant pays for another. A program
 * is timed from its start to its end, as its user is. STATE is `cached` or `cold`.
 */
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { copyTree, open, pageCache } from 'sluice/file'
import { root } from '#scripts/run.js'

const [contestant, from, to, state] = process.argv.slice(2)

const CONTESTANTS = {
  'sluice cp': () => program(process.execPath, join(root, 'dist/sluice.mjs'), 'cp', '-r', from, to),
  'coreutils cp': () => program('cp', '-r', from, to),
  'copyTree()': () => copyTree(from, to),
  'fs.promises.cp': () => cp(from, to, { recursive: true }),
}

function program(command, ...args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
}

/** A large file is in the page cache, or not at all. The files of a tree are, since they have just been made. */
async function bring() {
  if (!statSync(from).isFile()) return
  const file = await open(from)
  await (state === 'cold' ? pageCache.evict(file) : pageCache.load(file))
  await file.close()
}

await rm(to, { recursive: true, force: true })
spawnSync('sync')
await bring()
const began = performance.now()
await CONTESTANTS[contestant]()
const seconds = (performance.now() - began) / 1000
await rm(to, { recursive: true, force: true })
process.stdout.write(`${JSON.stringify({ operations: 1, seconds })}\n`)
