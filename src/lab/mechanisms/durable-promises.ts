import { open } from 'node:fs/promises'
import { alignedBuffer } from '../../memory/index.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { PAGE } from '../sizes.js'

/** `fs.promises`: a write and a datasync for every block. */
export const durablePromises: Mechanism = {
  name: 'promises, sync',
  node: true,
  about: 'the same with promises: two trips through libuv’s threads for every block',
  copies: 1,
  copiesWhy: 'buffer to page cache; from there the device fetches it',
  cases: [{ goal: 'write/durable/sequential', size: PAGE }],
  async open({ path, size, depth }) {
    const file = await open(path, 'r+')
    const buffer = alignedBuffer(size).fill(0x5a)
    return {
      run: lap =>
        inLanes(lap, depth, async position => {
          const { bytesWritten } = await file.write(buffer, 0, size, position)
          await file.datasync()
          return whole(bytesWritten, size)
        }),
      close: () => file.close(),
    }
  },
}
