/**
 * Writes a new file of 1 GiB once and prints how long that took, from opening to closing, as JSON.
 *
 *   node bench/peers/write-once.js CONTESTANT FOLDER MIB
 *
 * First the disk comes to rest: what is dirty of others' files would be written meanwhile. Then another file of the same size
 * is written and removed, which warms up the compiler, and the memory: a hypervisor may have taken back what has been free
 * for two seconds, and giving it again takes longer than writing.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { open } from 'sluice/file'
import { diskRest } from '../harness/disk-rest.js'

/** What a program that writes a stream hands over at a time. */
const PIECE = randomBytes(65536)
const MIB = 2 ** 20

const [contestant, folder, size] = process.argv.slice(2)
const mib = Number(size)

const CONTESTANTS = {
  'writer()': async (path, bytes) => {
    const file = await open(path, 'wx')
    const writer = file.writer()
    for (let at = 0; at < bytes; at += PIECE.length) await writer.write(PIECE)
    const { bytesWritten } = await writer.end()
    await file.close()
    return bytesWritten
  },
  createWriteStream: async (path, bytes) => {
    const stream = createWriteStream(path, { flags: 'wx' })
    for (let at = 0; at < bytes; at += PIECE.length) if (!stream.write(PIECE)) await once(stream, 'drain')
    stream.end()
    await once(stream, 'close')
    return stream.bytesWritten
  },
}

async function write() {
  const path = join(folder, `written-${process.pid}`)
  const bytes = mib * MIB
  const began = performance.now()
  const written = await CONTESTANTS[contestant](path, bytes)
  const seconds = (performance.now() - began) / 1000
  if (written !== bytes) throw new Error(`${written} bytes were written instead of ${bytes}`)
  rmSync(path)
  return seconds
}

await diskRest()
await write()
const seconds = await write()
process.stdout.write(`${JSON.stringify({ operations: mib, seconds })}\n`)
