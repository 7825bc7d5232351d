import assert from 'node:assert/strict'
import { prepareNop, prepareRead } from '../ring/index.js'
import { driverTest, room } from './driver-test.test.support.js'
import { RingDriver } from './ring-driver.js'

driverTest(
  'what was silenced and not consumed is in flight still',
  kit => {
    const driver = new RingDriver(8)
    const { ring } = driver
    // The kernel is short of memory, or of room for completions: it takes nothing this time.
    Object.defineProperty(ring, 'submit', {
      configurable: true,
      value: () => {
        driver.submissions.publish()
        return 0
      },
    })
    const memory = room(8)
    prepareRead(driver.submissions, kit.pipe()[0], memory, -1, 1)
    prepareNop(driver.submissions, 2)
    driver.silence()
    assert.equal(driver.submit(), 0)
    assert.equal(ring.inFlight, 2)
    Reflect.deleteProperty(ring, 'submit')
    assert.equal(driver.submit(), 2)
    driver.reap(() => assert.fail('a silent operation is not heard of'))
    assert.equal(ring.inFlight, 1)
    driver.close()
    assert.equal(memory.length, 8)
  },
  ['ring'],
)
