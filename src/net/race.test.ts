import assert from 'node:assert/strict'
import test from 'node:test'
import { firstToSucceed } from './race.js'

const never = new AbortController().signal

/** An attempt that settles when told to, or with the race. */
function attempt(name: string) {
  let succeed = () => {}
  let fail: (error: Error) => void = () => {}
  const state = {
    name,
    begun: false,
    ended: false,
    succeed: () => succeed(),
    fail: (error: Error) => fail(error),
  }
  const begin = (end: AbortSignal) =>
    new Promise<string>((resolve, reject) => {
      state.begun = true
      succeed = () => resolve(name)
      fail = reject
      end.addEventListener('abort', () => {
        state.ended = true
        reject(new Error('ended'))
      })
    })
  return { state, begin }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

test('the second begins at once when the first has failed', async () => {
  const [one, two] = [attempt('one'), attempt('two')]
  const race = firstToSucceed([one.begin, two.begin], never, () => {})
  assert.deepEqual([one.state.begun, two.state.begun], [true, false])
  one.state.fail(new Error('no'))
  await turn()
  assert.equal(two.state.begun, true)
  two.state.succeed()
  assert.equal(await race, 'two')
})

test('the second begins beside the first when that takes its time, and the loser is ended', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const [one, two, three] = [attempt('one'), attempt('two'), attempt('three')]
  const race = firstToSucceed([one.begin, two.begin, three.begin], never, () => {})
  t.mock.timers.tick(250)
  assert.deepEqual([one.state.begun, two.state.begun, three.state.begun], [true, true, false])
  one.state.succeed()
  assert.equal(await race, 'one')
  assert.deepEqual([two.state.ended, three.state.begun], [true, false])
})

test('what comes after the first is discarded', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const discarded: string[] = []
  const stubborn = () => new Promise<string>(resolve => setImmediate(() => resolve('late')))
  const race = firstToSucceed([stubborn, async () => 'early'], never, value => discarded.push(value))
  t.mock.timers.tick(250)
  assert.equal(await race, 'early')
  assert.deepEqual(discarded, ['late'])
})

test('one failure is told as it is, several together', async () => {
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }))
  await assert.rejects(
    firstToSucceed([failing('A')], never, () => {}),
    { code: 'A', message: 'A' },
  )
  await assert.rejects(
    firstToSucceed([failing('A'), failing('B')], never, () => {}),
    error => {
      assert.ok(error instanceof AggregateError)
      assert.deepEqual([(error as NodeJS.ErrnoException).code, error.errors.length], ['A', 2])
      return true
    },
  )
})

test('an end from outside ends every attempt, and its reason is told when they have settled', async () => {
  const outside = new AbortController()
  const [one, two] = [attempt('one'), attempt('two')]
  const race = firstToSucceed([one.begin, two.begin], outside.signal, () => {})
  outside.abort(new Error('stop'))
  await assert.rejects(race, { message: 'stop' })
  assert.deepEqual([one.state.ended, two.state.begun], [true, false])
  await assert.rejects(
    firstToSucceed([two.begin], outside.signal, () => {}),
    { message: 'stop' },
  )
})
