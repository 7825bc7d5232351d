import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { Lap } from '../lap.js'
import type { Mechanism, Setting } from '../mechanism.js'
import { KIB } from '../sizes.js'

/** One writing of the file from front to back; an operation is a write with the wait that it asks for. */
async function writeThrough({ path, window, size }: Setting, lap: Lap, chunk: Uint8Array): Promise<void> {
  const stream = createWriteStream(path, { flags: 'r+', highWaterMark: size })
  for (let written = 0; written + size <= window && !lap.over; written += size) {
    const stamp = lap.begin()
    if (!stream.write(chunk)) await once(stream, 'drain')
    lap.end(stamp, size)
  }
  stream.end()
  await finished(stream)
}

/** `fs.createWriteStream`. */
export const writeStream: Mechanism = {
  name: 'createWriteStream',
  node: true,
  about: 'Node’s stream: one write at a time on libuv’s threads; write() says when to wait',
  copies: 1,
  copiesWhy: 'buffer to page cache',
  cases: [{ goal: 'write/cached/sequential', size: 64 * KIB }],
  bound: 'highWaterMark, if the writer heeds what write() returns',
  open(setting) {
    const chunk = new Uint8Array(setting.size).fill(0x5a)
    return {
      async run(lap) {
        do await writeThrough(setting, lap, chunk)
        while (lap.wraps)
      },
      close() {},
    }
  },
}
