import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adviseOn } from './advice.js'
import type { ProbeFacts } from './facts.js'
import { probe } from './probe.js'

const here: ProbeFacts = probe('/')

/** This machine's facts, as if they were the best there can be. */
function best(): ProbeFacts {
  const facts = structuredClone(here)
  facts.ioUring.available = true
  facts.ioUring.refusal = null
  facts.ioUring.setupFlags = ['SUBMIT_ALL', 'SINGLE_ISSUER', 'DEFER_TASKRUN'].map((name, index) => ({
    name,
    since: `6.${index}`,
    supported: true,
  }))
  facts.limits.memlock = { soft: null, hard: null, exempt: true }
  facts.limits.openFiles = { soft: 65536, hard: 65536 }
  facts.limits.pipeUserPagesSoft = 16384
  facts.userfaultfd.mode = 'device'
  facts.path.writable = true
  facts.path.direct = { supported: true, memoryAlign: 512, offsetAlign: 512, method: 'statx' }
  facts.path.freeBytes = facts.path.totalBytes
  facts.tracing.counters = 'ok'
  facts.tracing.tracepoints = 'ok'
  return facts
}

/** What is said about the best facts but for one thing. */
function adviceOn(change: (facts: ProbeFacts) => void): {
  about: string
  severity: string
  problem: string
  fix: string
} {
  const facts = best()
  change(facts)
  const advice = adviseOn(facts)
  assert.equal(advice.length, 1, JSON.stringify(advice))
  const [only] = advice
  assert.ok(only !== undefined && only.fix.length > 0)
  return only
}

test('where all is there, there is nothing to do', () => {
  assert.deepEqual(adviseOn(best()), [])
})

test('each lack is told with its own fix', () => {
  const limits = adviceOn(facts => {
    facts.limits.memlock = { soft: 65536, hard: 65536, exempt: false }
  })
  assert.match(limits.fix, /memlock/)
  const files = adviceOn(facts => {
    facts.limits.openFiles = { soft: 1024, hard: 524288 }
  })
  assert.match(files.fix, /ulimit -n 524288/)
  assert.equal(files.severity, 'warning')
  const pipes = adviceOn(facts => {
    facts.limits.pipeUserPagesSoft = 100
    facts.system.capabilities = []
  })
  assert.match(pipes.fix, /pipe-user-pages-soft/)
  const older = adviceOn(facts => {
    for (const flag of facts.ioUring.setupFlags) flag.supported = flag.name === 'SUBMIT_ALL'
  })
  assert.match(older.fix, /6\.2 or newer/)
  const user = adviceOn(facts => {
    facts.userfaultfd.mode = 'user-mode-only'
  })
  assert.match(user.fix, /\/dev\/userfaultfd/)
  const none = adviceOn(facts => {
    facts.userfaultfd.mode = null
    facts.userfaultfd.userModeOnly = 'ENOSYS'
  })
  assert.match(none.problem, /no userfaultfd/)
  const counted = adviceOn(facts => {
    facts.tracing.counters = 'EACCES'
  })
  assert.equal(counted.about, 'tracing')
  const direct = adviceOn(facts => {
    facts.path.direct = { supported: false, memoryAlign: null, offsetAlign: null, method: 'statx' }
  })
  assert.match(direct.problem, /Direct I\/O/)
  const full = adviceOn(facts => {
    facts.path.totalBytes = 100 * 2 ** 30
    facts.path.freeBytes = 2 ** 20
  })
  assert.match(full.problem, /1 MiB left/)
  const closed = adviceOn(facts => {
    facts.path.writable = false
  })
  assert.equal(closed.about, 'path')
})

test('warnings come before hints, and a refusal of io_uring before all', () => {
  const facts = best()
  facts.tracing.counters = 'EACCES'
  facts.limits.openFiles = { soft: 10, hard: 10 }
  facts.ioUring.available = false
  facts.ioUring.refusal = {
    syscall: 'io_uring_setup',
    code: 'EPERM',
    cause: 'seccomp',
    reason: 'r',
    fix: 'f',
  }
  assert.deepEqual(
    adviseOn(facts).map(({ about }) => about),
    ['ioUring', 'limits', 'tracing'],
  )
})
