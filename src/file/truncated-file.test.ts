import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratchFolder } from './file.test.support.js'
import { open } from './index.js'

const SIZE = 400_000
const path = join(scratchFolder(), 'file')

/** What was read is of the file as it was, or of the hole that it got when it grew again. */
function isWhole(bytes: Uint8Array, most: number): void {
  assert.ok(bytes.length <= most, `${bytes.length} of ${most} bytes`)
  const strange = bytes.find(byte => byte !== 0x78 && byte !== 0)
  assert.equal(strange, undefined)
}

test('a file that is truncated while it is read gives less, and neither an error nor bytes of anything else', async () => {
  writeFileSync(path, Buffer.alloc(SIZE, 'x'))
  const other = openSync(path, 'r+')
  const file = await open(path, 'r+')
  let short = 0
  for (let round = 0; round < 18; round++) {
    const reader = await open(path)
    const small = Array.from({ length: 8 }, () => Buffer.alloc(4096, 'y'))
    const large = Buffer.alloc(SIZE, 'y')
    const parts = [Buffer.alloc(SIZE / 2, 'y'), Buffer.alloc(SIZE / 2, 'y')]
    const reading = [
      ...small.map((buffer, index) => file.read(buffer, 0, 4096, index * 50_000)),
      file.read(large, 0, SIZE, 0),
    ]
    const vector = file.readv(parts, 0)
    const whole = reader.readFile()
    // On the ring they are submitted with the end of this turn; on threads they are under way after it.
    if (round % 3 > 0) await new Promise(resolve => setImmediate(resolve))
    ftruncateSync(other, (round * 7919) % SIZE)
    if (round % 2 === 0) await file.truncate(0)
    for (const read of reading) {
      const { bytesRead, buffer } = await read
      isWhole(buffer.subarray(0, bytesRead), buffer.length)
      if (bytesRead < buffer.length) short++
    }
    const { bytesRead } = await vector
    isWhole(Buffer.concat(parts).subarray(0, bytesRead), SIZE)
    isWhole(await whole, SIZE)
    await reader.close()
    await file.write(Buffer.alloc(SIZE, 'x'), 0, SIZE, 0)
  }
  assert.ok(short > 0, 'no read met the end')
  await file.close()
  closeSync(other)
})
