import { closeSync, openSync } from 'node:fs'
import { engine } from '../../engine/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { COPY_CASES, halfOf } from '../copy-halves.js'
import { driverNotes } from '../driver-notes.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'

const DEPTH = 4

/** Reads and writes of the engine, some pieces at once. */
export const copyRing: Mechanism = {
  name: 'Ring',
  about: 'io_uring: a piece is read into the program and written from there, several pieces at the same time',
  copies: 2,
  copiesWhy: 'page cache to buffer, and buffer to page cache',
  cases: COPY_CASES.map(each => ({ ...each, depth: DEPTH })),
  open(setting) {
    const { path, size, depth } = setting
    const source = openSync(path, 'r')
    const target = openSync(path, 'r+')
    const half = halfOf(setting)
    const buffers = Array.from({ length: depth }, () => alignedBuffer(size))
    return {
      run: lap =>
        inLanes(lap, depth, async (position, lane) => {
          const from = position % half
          whole((await engine().read(source, buffers[lane], 0, size, from)) as number, size)
          return whole((await engine().write(target, buffers[lane], 0, size, half + from)) as number, size)
        }),
      enters: () => engine().stats().enters,
      notes: driverNotes(),
      close() {
        closeSync(source)
        closeSync(target)
      },
    }
  },
}
