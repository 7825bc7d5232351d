import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { askWithIoUringDisabled, cannotTurnSwitch } from '../helpers/io-uring-sysctl.js'

const PROGRAM = fileURLToPath(new URL('./fixtures/library-on-demand.js', import.meta.url))
const skip = cannotTurnSwitch()

interface Answer {
  driver?: string
  reason?: string
  texts?: string[]
  code?: string
  message?: string
}

/** Uses the library where the switch has a value. */
const useWith = (value: 1 | 2, user: 'root' | 'ordinary', extra?: NodeJS.ProcessEnv) =>
  askWithIoUringDisabled<Answer>(value, PROGRAM, user, extra)

const WORKS = ['carried out', 'there and back']

test('where the switch bars everybody, files and sockets work on epoll, and the engine names the switch', {
  skip,
}, async () => {
  const { driver, reason, texts } = await useWith(2, 'root')
  assert.deepEqual(texts, WORKS)
  assert.equal(driver, 'epoll')
  assert.match(reason ?? '', /kernel\.io_uring_disabled is 2/)
})

test('where it leaves io_uring to the superuser, an ordinary user has epoll and is told why', {
  skip,
}, async () => {
  const { driver, reason, texts } = await useWith(1, 'ordinary')
  assert.deepEqual(texts, WORKS)
  assert.equal(driver, 'epoll')
  assert.match(reason ?? '', /kernel\.io_uring_disabled is 1/)
})

test('where the switch bars io_uring and the ring is demanded, the error says how to turn it', {
  skip,
}, async () => {
  const { code, message } = await useWith(2, 'root', { SLUICE_DRIVER: 'ring' })
  assert.equal(code, 'ERR_SLUICE_DRIVER')
  assert.match(message ?? '', /sysctl -w kernel\.io_uring_disabled=0/)
})
