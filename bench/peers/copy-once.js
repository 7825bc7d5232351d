/**
 * Copies once and prints how long that took, as JSON.
 *
 *   node bench/peers/copy-once.js CONTESTANT FROM TO STATE
 *
 * What is dirty is written first, and the disk left to come to rest, so that no contestant
 * pays for another; and the memory that a large copy will take has just been used: a hypervisor may have taken it back,
 * and giving it again takes longer than copying. A program is timed from its start to its end, as its user is. STATE is `cached` or `cold`.
 *
 * NODE_EXTRA_CA_CERTS is not passed on: with it Node parses certificates for 50 ms before it begins.
 */
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { cp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { copyTree, open, pageCache } from 'sluice/file'
import { root } from '#scripts/run.js'
import { diskRest } from '../harness/disk-rest.js'

const [contestant, from, to, state] = process.argv.slice(2)

const CONTESTANTS = {
  'sluice cp': () => program(process.execPath, join(root, 'dist/sluice.cjs'), 'cp', '-r', from, to),
  'coreutils cp': () => program('cp', '-r', from, to),
  'copyTree()': () => copyTree(from, to),
  'fs.promises.cp': () => cp(from, to, { recursive: true }),
}

function program(command, ...args) {
  const { NODE_EXTRA_CA_CERTS, ...env } = process.env
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
}

/** A large file is in the page cache, or not at all. The files of a tree are, since they have just been made. */
async function bring() {
  if (!statSync(from).isFile()) return
  const file = await open(from)
  await (state === 'cold' ? pageCache.evict(file) : pageCache.load(file))
  await file.close()
}

/** Has the page cache take so much memory, and give it back. */
async function useMemory(bytes) {
  const path = `${to}-memory`
  const piece = new Uint8Array(2 ** 20)
  for (let at = 0; at < bytes; at += piece.length) await writeFile(path, piece, { flag: 'a' })
  await rm(path)
}

/**
 * A large file is removed. A tree is left lying until the benchmark's end: where ext4 has no journal, it passes over
 * inodes that were deleted in the last minutes, one by one, and whoever copies next would pay for that.
 */
async function putAway() {
  if (statSync(from).isFile()) await rm(to)
  else await rename(to, `${to}-${process.pid}`)
}

await rm(to, { recursive: true, force: true })
await bring()
await diskRest()
if (statSync(from).isFile()) await useMemory(statSync(from).size)
const began = performance.now()
await CONTESTANTS[contestant]()
const seconds = (performance.now() - began) / 1000
await putAway()
process.stdout.write(`${JSON.stringify({ operations: 1, seconds })}\n`)
