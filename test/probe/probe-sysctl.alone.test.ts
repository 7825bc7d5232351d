import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ProbeResult } from '#dist/kernel/index.js'
import { askWithIoUringDisabled, cannotTurnSwitch } from '../helpers/io-uring-sysctl.js'

const PROGRAM = fileURLToPath(new URL('./fixtures/probe-on-demand.js', import.meta.url))
const skip = cannotTurnSwitch()

/** Probes where the switch has a value. */
const probeWith = (value: 1 | 2, user: 'root' | 'ordinary') =>
  askWithIoUringDisabled<ProbeResult>(value, PROGRAM, user)

test('a switch that bars everybody is named, with how to turn it back', { skip }, async () => {
  const { ioUring, driver, advice } = await probeWith(2, 'root')
  assert.equal(ioUring.disabled, 2)
  assert.equal(ioUring.available, false)
  assert.equal(ioUring.refusal?.code, 'EPERM')
  assert.equal(ioUring.refusal?.cause, 'sysctl')
  assert.match(ioUring.refusal?.reason ?? '', /barred for everybody/)
  assert.match(ioUring.refusal?.fix ?? '', /sysctl -w kernel\.io_uring_disabled=0/)
  assert.equal(driver.name, 'epoll')
  assert.equal(advice[0]?.about, 'ioUring')
})

test('a switch that leaves io_uring to the superuser and a group bars an ordinary user', {
  skip,
}, async () => {
  const { ioUring, system } = await probeWith(1, 'ordinary')
  assert.deepEqual(system.capabilities, [])
  assert.equal(ioUring.refusal?.cause, 'sysctl')
  assert.match(ioUring.refusal?.fix ?? '', /kernel\.io_uring_group|group/)
})

test('the same switch does not bar the superuser', { skip }, async () => {
  const { ioUring, driver } = await probeWith(1, 'root')
  assert.equal(ioUring.disabled, 1)
  assert.equal(ioUring.available, true)
  assert.equal(driver.name, 'ring')
})

test('the switch stands as before', { skip }, async () => {
  const { ioUring } = await import('#dist/kernel/index.js').then(({ probe }) => probe())
  assert.notEqual(ioUring.refusal?.cause, 'sysctl')
})
