import { closeSync, openSync } from 'node:fs'
import { addressOf, IOSQE, systemError } from '../../kernel/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { prepareFdatasync, prepareWriteAt } from '../../ring/index.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { makeRing } from '../ring-pump.js'
import { whole } from '../short-transfer.js'
import { PAGE } from '../sizes.js'

const WRITE = 1
const SYNC = 2

/** A write linked to its datasync, handed over together. */
export const durableRing: Mechanism = {
  name: 'Ring write→sync',
  about: 'a write and the datasync that follows it, linked, in one system call',
  copies: 1,
  copiesWhy: 'buffer to page cache; from there the device fetches it',
  cases: [{ goal: 'write/durable/sequential', size: PAGE }],
  open({ path, size }) {
    const ring = makeRing(8, 'dedicated')
    const fd = openSync(path, 'r+')
    const buffer = alignedBuffer(size).fill(0x5a)
    const address = addressOf(buffer)
    let written = 0
    const completed = (step: number, result: number) => {
      if (result < 0) throw systemError(result, step === WRITE ? 'write' : 'fdatasync')
      if (step === WRITE) written = result
    }
    const write = (position: number) => {
      prepareWriteAt(ring.submissions, fd, address, size, position, WRITE)
      ring.submissions.mark(IOSQE.IO_LINK)
      prepareFdatasync(ring.submissions, fd, SYNC)
      ring.submit(2)
      ring.reap(completed)
      // `buffer` is named here so that it outlives the call.
      return whole(written, buffer.length)
    }
    return {
      run: lap => inTurn(lap, write),
      enters: () => ring.enters,
      close() {
        ring.close()
        closeSync(fd)
      },
    }
  },
}
