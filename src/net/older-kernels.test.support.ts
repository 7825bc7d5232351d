import type { TestContext } from 'node:test'
import { engine } from '../engine/index.js'
import { IORING_ACCEPT, IORING_OP, SQE_WORD } from '../kernel/index.js'
import { netResources } from './resources.js'

const PRIORITY_SHIFT = 16
/** An option of an accept that no kernel has, so that this one refuses it. */
const UNHEARD_OF = 0x8000

/** What older kernels lack on the ring, and how this one is had to do without, from before the first connection on. */
export const LACKS: Readonly<Record<string, (t: TestContext) => void>> = {
  'a kernel before 5.17, where each send has its completion': () => {
    engine().handles.silences = false
  },
  'a kernel before 6.12, where buffers are not used piece by piece': () => {
    Object.assign(netResources(), { blocks: undefined })
  },
  'a kernel before 6.17, where a receive has no limit': () => {
    netResources().limits = false
  },
  '5.15, which has none of it': t => {
    engine().handles.silences = false
    Object.assign(netResources(), { blocks: undefined })
    t.mock.method(engine(), 'supports', (operation: number) => operation <= IORING_OP.LINKAT)
    refuseMultishotAccept(t)
  },
}

/** @returns how often it has been refused */
export function refuseMultishotAccept(t: TestContext): () => number {
  const { handles } = engine()
  const { submissions } = handles
  const place = handles.place.bind(handles)
  let refused = 0
  t.mock.method(handles, 'place', (attempt: () => boolean) => {
    place(() => {
      const { unpublished } = submissions
      if (!attempt()) return false
      const head = submissions.last + SQE_WORD.HEAD
      const word = submissions.words[head]
      const multishot = IORING_ACCEPT.MULTISHOT << PRIORITY_SHIFT
      if (
        submissions.unpublished > unpublished &&
        (word & 0xff) === IORING_OP.ACCEPT &&
        (word & multishot) !== 0
      ) {
        submissions.words[head] = word | (UNHEARD_OF << PRIORITY_SHIFT)
        refused++
      }
      return true
    })
  })
  return () => refused
}
