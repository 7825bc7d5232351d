import assert from 'node:assert/strict'
import { constants, openSync } from 'node:fs'
import { driverTest, room } from './driver-test.test.support.js'

driverTest('an I/O error rejects as of Node, and the descriptor goes on', async kit => {
  // What is mapped nowhere cannot be read: EIO, from a file that every machine has.
  const memory = kit.owns(openSync('/proc/self/mem', constants.O_RDONLY))
  const engine = kit.engine()
  const buffer = room(8)
  const failing = () => engine.read(memory, buffer, 0, 8, 0)
  for (let round = 0; round < 3; round++) {
    await assert.rejects(failing(), {
      code: 'EIO',
      errno: -5,
      syscall: 'read',
      message: 'EIO: i/o error, read',
    })
  }
  assert.equal(engine.stats().inFlight, 0)
})

driverTest('an I/O error of a write rejects as of Node, and the descriptor goes on', async kit => {
  const memory = kit.owns(openSync('/proc/self/mem', constants.O_RDWR))
  const engine = kit.engine()
  for (let round = 0; round < 3; round++) {
    const wrong = { code: 'EIO', errno: -5, syscall: 'write', message: 'EIO: i/o error, write' }
    await assert.rejects(engine.write(memory, room(8), 0, 8, 0), wrong)
  }
  assert.equal(engine.stats().inFlight, 0)
})
