import type { TestContext } from 'node:test'
import { engine } from '../engine/index.js'
import { IORING_ACCEPT, IORING_OP, SQE_WORD } from '../kernel/index.js'
import { netResources } from './resources.js'

const PRIORITY_SHIFT = 16
/** An option of an accept and of a receive that no kernel has, so that this one refuses it. */
const UNHEARD_OF = 0x8000

/** What older kernels lack on the ring, and how this one is had to do without, from before the first connection on. */
export const LACKS: Readonly<Record<string, (t: TestContext) => unknown>> = {
  'a kernel before 5.17, where each send has its completion': () => {
    engine().handles.silences = false
  },
  'a kernel before 6.12, where buffers are not used piece by piece': () => {
    Object.assign(netResources(), { blocks: undefined })
  },
  'a kernel before 6.17, where a receive has no limit': refuseReceiveLimit,
  '5.15, which has none of it': t => {
    engine().handles.silences = false
    Object.assign(netResources(), { blocks: undefined })
    t.mock.method(engine(), 'supports', (operation: number) => operation <= IORING_OP.LINKAT)
    refuseMultishotAccept(t)
  },
}

/** Each accept takes one connection. @returns how often one that takes many has been refused */
export function refuseMultishotAccept(t: TestContext): () => number {
  const multishot = IORING_ACCEPT.MULTISHOT << PRIORITY_SHIFT
  return refuse(t, IORING_OP.ACCEPT, (words, entry) => (words[entry + SQE_WORD.HEAD] & multishot) !== 0)
}

/** No receive has a limit. @returns how often one that has was refused */
export function refuseReceiveLimit(t: TestContext): () => number {
  return refuse(t, IORING_OP.RECV, (words, entry) => words[entry + SQE_WORD.FILE_INDEX] !== 0)
}

/** @returns how often an entry has been refused */
function refuse(
  t: TestContext,
  operation: number,
  isUnknown: (words: Int32Array, entry: number) => boolean,
): () => number {
  const { handles } = engine()
  const { submissions } = handles
  const { words } = submissions
  const place = handles.place.bind(handles)
  let refused = 0
  t.mock.method(handles, 'place', (attempt: () => boolean) => {
    place(() => {
      const { unpublished } = submissions
      if (!attempt()) return false
      const { last } = submissions
      const head = last + SQE_WORD.HEAD
      if (
        submissions.unpublished > unpublished &&
        (words[head] & 0xff) === operation &&
        isUnknown(words, last)
      ) {
        words[head] |= UNHEARD_OF << PRIORITY_SHIFT
        refused++
      }
      return true
    })
  })
  return () => refused
}
