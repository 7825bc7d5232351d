import { createReadStream } from 'node:fs'
import type { Lap } from '../lap.js'
import type { Mechanism, Setting } from '../mechanism.js'
import { KIB } from '../sizes.js'

/** One reading of the file from front to back; an operation is the wait for a chunk. */
function readThrough({ path, window, size }: Setting, lap: Lap): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = createReadStream(path, { end: window - 1, highWaterMark: size })
    let stamp = lap.begin()
    stream.on('data', chunk => {
      lap.end(stamp, chunk.length)
      if (lap.over) stream.destroy()
      stamp = lap.begin()
    })
    stream.on('error', reject)
    stream.on('close', () => {
      lap.abandon()
      resolve()
    })
  })
}

/** `fs.createReadStream`. */
export const readStream: Mechanism = {
  name: 'createReadStream',
  node: true,
  about: 'Node’s stream: one read at a time on libuv’s threads, a new buffer for every chunk',
  copies: 1,
  copiesWhy: 'page cache to buffer',
  cases: [
    { goal: 'read/cached/sequential', size: 64 * KIB },
    { goal: 'read/uncached/sequential', size: 64 * KIB },
  ],
  bound: 'highWaterMark: one chunk is read ahead, then it waits for the reader',
  open(setting) {
    return {
      async run(lap) {
        do await readThrough(setting, lap)
        while (lap.wraps)
      },
      close() {},
    }
  },
}
