/**
 * Copies once and prints how long that took, as JSON.
 *
 *   node bench/peers/copy-once.js CONTESTANT FROM TO STATE
 *
 * What was copied before is removed first, what is dirty written, and the disk left to come to rest, so that no contestant
 * pays for another; and the memory that a large copy will take has just been used: a hypervisor may have taken it back,
 * and giving it again takes longer than copying. A program is timed from its start to its end, as its user is. STATE is `cached` or `cold`.
 *
 * NODE_EXTRA_CA_CERTS is not passed on: with it Node parses certificates for 50 ms before it begins.
 */
import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { cp, rm, writeFile } from 'node:fs/promises'
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

await rm(to, { recursive: true, force: true })
await bring()
await diskRest()
if (statSync(from).isFile()) await useMemory(statSync(from).size)
const began = performance.now()
await CONTESTANTS[contestant]()
const seconds = (performance.now() - began) / 1000
await rm(to, { recursive: true, force: true })
process.stdout.write(`${JSON.stringify({ operations: 1, seconds })}\n`)
