import assert from 'node:assert/strict'
import { test } from 'node:test'
import { open } from './index.js'

test('what a device refuses is the failure of each way to write, and the handle goes on', async () => {
  const full = await open('/dev/full', 'w')
  const error = { code: 'ENOSPC', errno: -28, syscall: 'write' }
  const bytes = Buffer.alloc(5000)
  await assert.rejects(full.write(bytes), error)
  await assert.rejects(full.writev([bytes, bytes]), error)
  await assert.rejects(full.writeFile('text'), error)
  await assert.rejects(full.appendFile(bytes), error)
  await full.close()
})

test('an I/O error is the failure of each way to read and write', async () => {
  // Of memory there is none at address 0: EIO, from a file that every machine has.
  const memory = await open('/proc/self/mem', 'r+')
  const bytes = Buffer.alloc(16)
  await assert.rejects(memory.read(bytes, 0, 16, 0), { code: 'EIO', errno: -5, syscall: 'read' })
  await assert.rejects(memory.readv([bytes], 0), { code: 'EIO', syscall: 'read' })
  await assert.rejects(memory.readFile(), { code: 'EIO', syscall: 'read' })
  await assert.rejects(memory.write(bytes, 0, 16, 0), { code: 'EIO', errno: -5, syscall: 'write' })
  await assert.rejects(memory.writev([bytes], 0), { code: 'EIO', syscall: 'write' })
  await memory.close()
})
