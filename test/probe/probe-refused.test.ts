import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ProbeResult } from '#dist/kernel/index.js'
import type { Refusal } from '../helpers/refuse-io-uring.js'
import { refusedProcess } from '../helpers/refused-process.js'

const MAIN = fileURLToPath(import.meta.resolve('#dist/cli/main.js'))

/** @param status with which the probe must end */
function probeRefused(refusal: Refusal, extra: NodeJS.ProcessEnv = {}, status = 0): ProbeResult {
  return JSON.parse(runRefused(refusal, ['probe', '--json'], extra, status))
}

function runRefused(refusal: Refusal, verb: string[], extra: NodeJS.ProcessEnv = {}, status = 0): string {
  const { args, env } = refusedProcess(refusal)
  const options = { encoding: 'utf8', env: { ...env, ...extra }, timeout: 60_000 } as const
  const ended = spawnSync(process.execPath, [...args, MAIN, ...verb], options)
  assert.equal(ended.status, status, ended.stderr)
  return ended.stdout
}

/** Whether Node itself survives a turn of its event loop under the filter. */
function runsAtAll(refusal: Refusal): boolean {
  const { args, env } = refusedProcess(refusal)
  return spawnSync(process.execPath, [...args, '--eval', 'setImmediate(() => {})'], { env }).status === 0
}

for (const code of ['EPERM', 'ENOSYS']) {
  test(`a filter that answers ${code} is named, with what to do, and the driver is epoll`, () => {
    const { ioUring, driver, system, advice } = probeRefused({ code })
    assert.equal(ioUring.available, false)
    assert.equal(ioUring.refusal?.code, code)
    assert.equal(ioUring.refusal?.syscall, 'io_uring_setup')
    assert.equal(ioUring.refusal?.cause, 'seccomp')
    assert.match(ioUring.refusal?.fix ?? '', /io_uring_setup, io_uring_enter and io_uring_register/)
    assert.deepEqual(ioUring.operations, [])
    assert.equal(system.seccomp, 'filter')
    assert.deepEqual([driver.name, driver.usable, driver.demanded], ['epoll', true, false])
    assert.match(driver.reason, /seccomp/)
    assert.equal(advice[0]?.about, 'ioUring')
    assert.equal(advice[0]?.severity, 'warning')
  })
}

test('a filter that allows the set-up and refuses the submission is found out', t => {
  const refusal = { code: 'EPERM', calls: ['io_uring_enter'] } as const
  if (!runsAtAll(refusal)) return t.skip('the ring of this Node’s own libuv aborts in such a sandbox')
  const { ioUring, driver } = probeRefused(refusal)
  assert.equal(ioUring.available, false)
  assert.equal(ioUring.refusal?.syscall, 'io_uring_enter')
  assert.equal(ioUring.refusal?.cause, 'seccomp')
  assert.equal(driver.name, 'epoll')
  return undefined
})

test('EACCES is blamed on the security module where there is one, else on the filter', () => {
  const { ioUring, system } = probeRefused({ code: 'EACCES' })
  assert.equal(ioUring.refusal?.cause, system.securityLabel === null ? 'seccomp' : 'security-module')
})

test('a lack of descriptors is told from a refusal', () => {
  const { ioUring } = probeRefused({ code: 'EMFILE' })
  assert.equal(ioUring.refusal?.cause, 'descriptors')
  assert.match(ioUring.refusal?.fix ?? '', /ulimit -n/)
})

test('a ring that is demanded and refused is said to be unusable, with status 1', () => {
  const refusal = { code: 'EPERM' }
  const demanded = probeRefused(refusal, { SLUICE_DRIVER: 'ring' }, 1).driver
  assert.deepEqual([demanded.name, demanded.usable, demanded.demanded], ['ring', false, true])
  const strict = probeRefused(refusal, { SLUICE_STRICT: '1' }, 1).driver
  assert.deepEqual([strict.name, strict.usable], ['ring', false])
})

test('a person is told why, and what to do', () => {
  const text = runRefused({ code: 'EPERM' }, ['probe'])
  assert.match(text, /^✓ Sluice uses the epoll driver: io_uring cannot be used here: /)
  assert.match(text, /^ +available +no$/m)
  assert.match(text, /^ +refused by +io_uring_setup: EPERM$/m)
  assert.match(text, /What to do\n {2}! no io_uring/)
})
