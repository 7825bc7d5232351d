import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ENTRY_WORDS, SubmissionQueue } from '../submission-queue.js'
import { FILE_ENTRIES } from './file-entries.test.support.js'
import { OTHER_ENTRIES } from './other-entries.test.support.js'
import { SOCKET_ENTRIES } from './socket-entries.test.support.js'

function makeQueue(): SubmissionQueue {
  return new SubmissionQueue({
    shared: new Int32Array(3),
    words: new Int32Array(4 * ENTRY_WORDS),
    headIndex: 0,
    tailIndex: 1,
    flagsIndex: 2,
    capacity: 4,
    entryShift: 4,
  })
}

/** Made before its memory went, so that it is still a view. */
function emptied(): Uint8Array {
  const view = new Uint8Array(new ArrayBuffer(64))
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

const WRONG: readonly (readonly [string, unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['a string', 'text'],
  ['an object', {}],
  ['a BigInt', 8n],
  ['a symbol', Symbol('wrong')],
  ['a function', () => {}],
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['a negative number', -(2 ** 40)],
  ['a huge number', Number.MAX_VALUE],
  ['a detached view', emptied()],
]

const CASES = [...FILE_ENTRIES, ...SOCKET_ENTRIES, ...OTHER_ENTRIES]

for (const [kind, wrong] of WRONG) {
  test(`${kind} as any argument of a prepare function is refused without an entry, or makes a whole one`, () => {
    for (const [prepare, args] of CASES) {
      for (let place = 0; place < args.length; place++) {
        const queue = makeQueue()
        const given: unknown[] = [...args, 7]
        given[place] = wrong
        const shown = `${prepare.name}, argument ${place + 1}`
        let taken = 1
        try {
          assert.equal(prepare(queue, ...(given as never[])), true, shown)
        } catch (error) {
          assert.ok(error instanceof TypeError || error instanceof RangeError, `${shown}: ${error}`)
          taken = 0
        }
        assert.equal(queue.unpublished, taken, shown)
      }
    }
  })
}
