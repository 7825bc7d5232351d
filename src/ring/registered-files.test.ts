import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import { AT, IORING_FILE_INDEX_ALLOC, IOSQE, O, pathBytes } from '../kernel/index.js'
import { prepareCloseDirect, prepareOpenAtDirect, prepareRead, type Ring } from './index.js'
import { room, textOf } from './operation.test.support.js'
import { completion, failure, ringTest } from './ring.test.support.js'

/** Reads from a registered file by its place. @returns the text, or the negative error number */
function readPlace(ring: Ring, place: number): string | number {
  const bytes = room(8)
  assert.ok(prepareRead(ring.submissions, place, bytes, 0, 1))
  ring.submissions.mark(IOSQE.FIXED_FILE)
  const { result } = completion(ring)
  return result < 0 ? result : textOf(bytes.subarray(0, result))
}

const EMPTY = failure('EBADF')

ringTest('registered files are named by their place', stage => {
  const ring = stage.ring()
  ring.registerFiles([stage.file('zero'), -1, stage.file('two')])
  assert.equal(readPlace(ring, 0), 'zero')
  assert.equal(readPlace(ring, 1), EMPTY)
  assert.equal(readPlace(ring, 2), 'two')
  assert.equal(readPlace(ring, 3), EMPTY)
  assert.equal(readPlace(ring, -1), EMPTY)
})

ringTest('a registered file outlives its descriptor', stage => {
  const ring = stage.ring()
  const fd = stage.file('kept')
  ring.registerFiles([fd])
  stage.disowns(fd)
  closeSync(fd)
  assert.equal(readPlace(ring, 0), 'kept')
})

ringTest('places are filled, emptied and left as they are while the ring runs', stage => {
  const ring = stage.ring()
  ring.registerFiles(4)
  assert.equal(readPlace(ring, 0), EMPTY)
  ring.updateFiles(1, [stage.file('one'), stage.file('two')])
  assert.deepEqual(
    [1, 2, 3].map(place => readPlace(ring, place)),
    ['one', 'two', EMPTY],
  )
  ring.updateFiles(0, [stage.file('zero'), -2, -1])
  assert.deepEqual(
    [0, 1, 2].map(place => readPlace(ring, place)),
    ['zero', 'one', EMPTY],
  )
  assert.throws(() => ring.updateFiles(4, [stage.file('x')]), { code: 'EINVAL' })
  ring.unregisterFiles()
  assert.equal(readPlace(ring, 1), EMPTY)
})

ringTest('an operation that picks a place itself keeps to the range that it is given', stage => {
  const ring = stage.ring()
  ring.registerFiles(8)
  ring.limitFileAllocation(5, 2)
  const path = pathBytes('/dev/null')
  const open = () => {
    prepareOpenAtDirect(ring.submissions, AT.FDCWD, path, O.RDONLY, 0, IORING_FILE_INDEX_ALLOC, 1)
    return completion(ring).result
  }
  assert.deepEqual([open(), open()], [5, 6])
  assert.equal(open(), failure('ENFILE'))
  ring.updateFiles(5, [-1])
  assert.equal(open(), 5)
})

ringTest('closing a place leaves the others and the descriptor', stage => {
  const ring = stage.ring()
  const fd = stage.file('zero')
  ring.registerFiles([fd, stage.file('one')])
  prepareCloseDirect(ring.submissions, 0, 1)
  assert.equal(completion(ring).result, 0)
  assert.equal(readPlace(ring, 0), EMPTY)
  assert.equal(readPlace(ring, 1), 'one')
  ring.updateFiles(0, [fd])
  assert.equal(readPlace(ring, 0), 'zero')
})

ringTest('what is no table of files is refused', stage => {
  const ring = stage.ring()
  for (const wrong of [0, -1, 1.5, 2 ** 21, Number.NaN]) {
    assert.throws(() => ring.registerFiles(wrong), { code: 'ERR_OUT_OF_RANGE' }, `${wrong}`)
  }
  for (const wrong of ['4', null, undefined, {}, ['x']]) {
    assert.throws(
      () => ring.registerFiles(wrong as never),
      { code: 'ERR_INVALID_ARG_TYPE' },
      JSON.stringify(wrong),
    )
  }
  for (const wrong of [-3, 2 ** 31, 0.5]) {
    assert.throws(() => ring.registerFiles([wrong]), { code: 'ERR_OUT_OF_RANGE' }, `${wrong}`)
  }
  assert.throws(() => ring.registerFiles([1_000_000]), { code: 'EBADF' })
  ring.registerFiles(2)
  assert.throws(() => ring.updateFiles(-1, [1]), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => ring.updateFiles(0, [-3]), { code: 'ERR_OUT_OF_RANGE' })
})
