import assert from 'node:assert/strict'
import { IOSQE } from '../kernel/index.js'
import { prepareNop } from '../ring/index.js'
import { driverTest, type Kit, room } from './driver-test.test.support.js'
import type { ChainedOperation, Engine, OperationOptions, Usage } from './index.js'

const NOP: ChainedOperation = { syscall: 'nop', prepare: prepareNop }
/** A signal by its looks only. */
const LOOKALIKE = { aborted: false } as AbortSignal

/** A call with whatever arguments. */
function loosely(engine: Engine, method: 'read' | 'write', ...args: unknown[]): Promise<unknown> {
  return (engine[method] as (...list: unknown[]) => Promise<unknown>).apply(engine, args)
}

/** Nothing is in flight, and an operation still goes through. */
async function isWell(engine: Engine): Promise<void> {
  const { inFlight, waiting } = engine.stats()
  assert.deepEqual({ inFlight, waiting }, { inFlight: 0, waiting: 0 })
  assert.equal(await engine.run(prepareNop, NOP), 0)
}

driverTest('what is no signal is refused before anything is taken, and nothing waits for it', async kit => {
  const engine = kit.engine()
  const usage: Usage = { inFlight: 0, idle: undefined }
  const fd = kit.file('data')
  const wrong = { code: 'ERR_INVALID_ARG_TYPE' }
  await assert.rejects(engine.read(fd, room(4), 0, 4, 0, undefined, LOOKALIKE, usage), wrong)
  await assert.rejects(engine.run(prepareNop, { ...NOP, signal: LOOKALIKE, usage }), wrong)
  const chain = engine.chain([NOP, { ...NOP, signal: LOOKALIKE, usage }], IOSQE.IO_LINK)
  for (const promise of chain) await assert.rejects(promise, wrong)
  assert.equal(usage.inFlight, 0)
  await isWell(engine)
  await engine.close()
})

driverTest('a signal whose listening fails leaves nothing taken', async kit => {
  const engine = kit.engine({ maxInFlight: 4 })
  const usage: Usage = { inFlight: 0, idle: undefined }
  const signal = {
    aborted: false,
    addEventListener: () => assert.fail('no listening'),
    removeEventListener: () => {},
  } as unknown as AbortSignal
  const fd = kit.file('data')
  await assert.rejects(engine.read(fd, room(4), 0, 4, 0, undefined, signal, usage), /no listening/)
  await assert.rejects(engine.run(prepareNop, { ...NOP, signal, usage }), /no listening/)
  const chain = await Promise.allSettled(engine.chain([NOP, { ...NOP, signal, usage }], IOSQE.IO_LINK))
  assert.deepEqual(
    chain.map(result => result.status === 'rejected' && /no listening/.test(`${result.reason}`)),
    [true, true],
  )
  assert.equal(usage.inFlight, 0)
  await isWell(engine)
})

/** Calls of `read` and `write` that would have the kernel move bytes past the buffer's end, or that are no numbers. */
const WRONG: readonly (readonly [code: string, ...args: readonly unknown[]])[] = [
  ['ERR_OUT_OF_RANGE', 0, 9, 0],
  ['ERR_OUT_OF_RANGE', 4, 5, 0],
  ['ERR_OUT_OF_RANGE', 9, 0, 0],
  ['ERR_OUT_OF_RANGE', -1, 4, 0],
  ['ERR_OUT_OF_RANGE', 0, -1, 0],
  ['ERR_OUT_OF_RANGE', Number.NaN, 4, 0],
  ['ERR_OUT_OF_RANGE', 0, 2 ** 32, 0],
  ['ERR_INVALID_ARG_TYPE', '0', 4, 0],
  ['ERR_INVALID_ARG_TYPE', 0, '4', 0],
  ['ERR_INVALID_ARG_TYPE', 0n, 4n, 0],
  ['ERR_INVALID_ARG_TYPE', 0, 4, 0n],
  ['ERR_INVALID_ARG_TYPE', 0, 4, Symbol('position')],
  ['ERR_INVALID_ARG_TYPE', 0, 4, undefined],
]

async function refusesAll(kit: Kit, engine: Engine): Promise<void> {
  const fd = kit.file('12345678')
  const usage: Usage = { inFlight: 0, idle: undefined }
  const rest = [undefined, undefined, usage]
  for (const method of ['read', 'write'] as const) {
    for (const [code, ...args] of WRONG) {
      await assert.rejects(loosely(engine, method, fd, room(8), ...args, ...rest), { code })
    }
    for (const number of [8n, '0', undefined]) {
      const read = loosely(engine, method, number, room(8), 0, 8, 0, ...rest)
      await assert.rejects(read, { code: 'ERR_INVALID_ARG_TYPE' })
    }
    for (const view of [undefined, null, 'text', room(8).buffer, { byteLength: 8, buffer: room(8).buffer }]) {
      await assert.rejects(loosely(engine, method, fd, view, 0, 8, 0, ...rest), {
        code: 'ERR_INVALID_ARG_TYPE',
      })
    }
  }
  assert.equal(usage.inFlight, 0)
}

driverTest('no read or write goes past its buffer, and what is refused leaves nothing taken', async kit => {
  const engine = kit.engine()
  await refusesAll(kit, engine)
  await isWell(engine)
})

const REFUSED: readonly Record<string, unknown>[] = [
  { syscall: 1 },
  { buffers: 'text' },
  { buffers: [{}] },
  { signal: {} },
  { signal: null },
  { finish: 'text' },
  { discard: {} },
  { usage: true },
]

driverTest('an operation described wrongly is refused, and leaves nothing taken', async kit => {
  const engine = kit.engine()
  const wrong = { code: 'ERR_INVALID_ARG_TYPE' }
  for (const part of REFUSED) {
    const operation = { ...NOP, ...part } as ChainedOperation
    await assert.rejects(engine.run(prepareNop, operation), wrong)
    for (const promise of engine.chain([NOP, operation], IOSQE.IO_LINK)) await assert.rejects(promise, wrong)
  }
  for (const options of [undefined, null, 'text', []]) {
    await assert.rejects(engine.run(prepareNop, options as unknown as OperationOptions), wrong)
  }
  await assert.rejects(engine.run('text' as unknown as ChainedOperation['prepare'], NOP), wrong)
  assert.throws(() => engine.chain('text' as unknown as ChainedOperation[], 0), wrong)
  assert.throws(() => engine.chain([NOP], 'text' as unknown as number), wrong)
  assert.throws(() => engine.multishot(prepareNop, {} as () => void), wrong)
  assert.throws(() => engine.multishot({} as ChainedOperation['prepare'], () => {}), wrong)
  await isWell(engine)
})
