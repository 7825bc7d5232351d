import { inspect } from 'node:util'

/**
 * A reporter for node:test that writes one JSON line an event, as it happens: what a test file did before it
 * crashed or hung is known, and only a file that came to its end says `end`.
 *
 * Lines: `{ kind: 'start', name }`, `{ kind: 'done', name, nesting, suite, outcome, duration_ms, reason?, error? }`
 * with an outcome of pass, fail, cancelled, skipped or todo, and `{ kind: 'end' }`.
 *
 * @param {AsyncIterable<{ type: string, data: object }>} events
 * @see https://nodejs.org/api/test.html#class-testsstream
 */
export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type === 'test:dequeue') yield line({ kind: 'start', name: data.name })
    if (type === 'test:pass' || type === 'test:fail') yield line(done(type, data))
  }
  yield line({ kind: 'end' })
}

function done(type, { name, nesting, details, skip, todo }) {
  const { duration_ms, error } = details
  const suite = details.type === 'suite'
  const common = { kind: 'done', name, nesting, suite, duration_ms }
  if (isSet(skip)) return { ...common, outcome: 'skipped', reason: skip }
  if (isSet(todo)) return { ...common, outcome: 'todo', reason: todo }
  if (type === 'test:pass') return { ...common, outcome: 'pass' }
  const outcome = CANCELLED.has(error.failureType) ? 'cancelled' : 'fail'
  // A parent that failed because a test in it did has nothing of its own to say.
  return { ...common, outcome, error: error.failureType === 'subtestsFailed' ? undefined : describe(error) }
}

const CANCELLED = new Set(['cancelledByParent', 'testAborted', 'testTimeoutFailure'])

/** An option that is absent is undefined on one Node, false on another; without a reason it is true. */
function isSet(option) {
  return option !== undefined && option !== false
}

function describe({ cause, message }) {
  if (cause === undefined) return message
  return typeof cause === 'string' ? cause : inspect(cause)
}

function line(event) {
  return `${JSON.stringify(event)}\n`
}
