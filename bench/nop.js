/** No-ops: what the queues themselves cost, beside C on liburing. */
import { prepareNop, Ring } from 'sluice/ring'
import { compilePeer } from './harness/compile.js'

const ENTRIES = 256
// V8 folds a constant of this module; what is imported it loads and checks at every use.
const prepare = prepareNop

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'no-ops through a ring of 256 entries, prepared, submitted and reaped in batches',
  packages: ['gcc', 'libc6-dev', 'liburing-dev'],
  setUp: async () => ({ program: await compilePeer('nop', ['-luring']) }),
  cases: [1, 32, 128].map(batch => ({ name: `batch ${batch}`, batch })),
  contestants: {
    Ring: { start: ({ batch }) => startRing(batch) },
    'C, liburing': {
      command: ({ batch }, { program }, seconds) => [program, `${batch}`, `${seconds}`],
      read: output => JSON.parse(output),
    },
  },
  bars: [
    { of: 'Ring', to: 'C, liburing', where: ({ batch }) => batch === 1, bar: 0.7, aim: 0.9 },
    { of: 'Ring', to: 'C, liburing', where: ({ batch }) => batch > 1, bar: 0.9, aim: 1 },
  ],
}

function startRing(batch) {
  const ring = new Ring({ entries: ENTRIES, completionEntries: 2 * ENTRIES, mode: 'dedicated' })
  let sum = 0
  const see = (userData, result) => {
    sum += userData + result
  }
  const runBatch = () => {
    for (let index = 0; index < batch; index++) prepare(ring.submissions, index)
    ring.submit(batch)
    ring.reap(see)
  }
  return {
    step(operations) {
      for (let done = 0; done < operations; done += batch) runBatch()
    },
    stop() {
      ring.close()
      if (!Number.isSafeInteger(sum)) throw new Error('no completion was seen')
    },
  }
}
