import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ProbeResult } from '#dist/kernel/index.js'
import type { Refusal } from '../helpers/refuse-io-uring.js'
import { refusedProcess } from '../helpers/refused-process.js'

const LIBRARY = import.meta.resolve('#dist/index.js')
const MAIN = fileURLToPath(import.meta.resolve('#dist/cli/main.js'))

const WORKS = `
  import { engine, open } from ${JSON.stringify(LIBRARY)}
  import { mkdtempSync, rmSync } from 'node:fs'
  import { tmpdir } from 'node:os'
  const folder = mkdtempSync(tmpdir() + '/sluice-refused-')
  const file = await open(folder + '/file', 'w+')
  await file.write('carried out')
  const { buffer, bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0)
  await file.close()
  rmSync(folder, { recursive: true })
  const { driver, reason } = engine()
  console.log(JSON.stringify({ driver, reason, text: buffer.toString('utf8', 0, bytesRead) }))
`

const FAILS = `
  import { open } from ${JSON.stringify(LIBRARY)}
  const { code, message } = await open('/').then(() => ({}), error => error)
  console.log(JSON.stringify({ code, message }))
`

function run(program: string, refusal: Refusal, extra: NodeJS.ProcessEnv = {}) {
  const { args, env } = refusedProcess(refusal)
  const options = { encoding: 'utf8', env: { ...env, ...extra }, timeout: 60_000 } as const
  return JSON.parse(
    execFileSync(process.execPath, [...args, '--input-type=module', '--eval', program], options),
  )
}

function probed(refusal: Refusal, extra: NodeJS.ProcessEnv = {}): ProbeResult {
  const { args, env } = refusedProcess(refusal)
  const options = { encoding: 'utf8', env: { ...env, ...extra }, timeout: 60_000 } as const
  // With a driver that is demanded in vain it ends with 1, and says as much.
  return JSON.parse(spawnSync(process.execPath, [...args, MAIN, 'probe', '--json'], options).stdout)
}

/** Whether Node itself survives a turn of its event loop under the filter. */
function runsAtAll(refusal: Refusal): boolean {
  const { args, env } = refusedProcess(refusal)
  return spawnSync(process.execPath, [...args, '--eval', 'setImmediate(() => {})'], { env }).status === 0
}

const REFUSALS: Refusal[] = [
  { code: 'EPERM' },
  { code: 'ENOSYS' },
  { code: 'EPERM', calls: ['io_uring_enter'] },
  { code: 'EPERM', calls: ['io_uring_register'] },
]

for (const refusal of REFUSALS) {
  const what = `${refusal.code} to ${refusal.calls?.join() ?? 'all of io_uring'}`
  test(`where a filter answers ${what}, files work on epoll, and the engine says why as the probe does`, t => {
    if (!runsAtAll(refusal)) return t.skip('the ring of this Node’s own libuv aborts in such a sandbox')
    const { driver, reason, text } = run(WORKS, refusal)
    assert.equal(driver, 'epoll')
    assert.equal(text, 'carried out')
    assert.match(reason, /seccomp/)
    assert.equal(reason, probed(refusal).driver.reason)
    return undefined
  })
}

for (const [name, value] of [
  ['SLUICE_DRIVER', 'ring'],
  ['SLUICE_STRICT', '1'],
] as const) {
  test(`with ${name}=${value} a refusal is an error that says why and what to do`, () => {
    const refusal = { code: 'EPERM' }
    const { code, message } = run(FAILS, refusal, { [name]: value })
    assert.equal(code, 'ERR_SLUICE_DRIVER')
    assert.match(message, /seccomp/)
    assert.match(message, /profile that allows io_uring_setup/)
    assert.ok(message.startsWith(probed(refusal, { [name]: value }).driver.reason))
  })
}

test('what is demanded in the program is said to be', () => {
  const refusal = { code: 'EPERM' }
  const program = (options: string) => `
    import { engine } from ${JSON.stringify(LIBRARY)}
    try {
      const { driver, reason } = engine(${options})
      console.log(JSON.stringify({ driver, reason }))
    } catch ({ code, message }) {
      console.log(JSON.stringify({ code, message }))
    }
  `
  assert.deepEqual(run(program(`{ driver: 'epoll' }`), refusal), {
    driver: 'epoll',
    reason: `{ driver: 'epoll' } demands it`,
  })
  const { code, message } = run(program('{ strict: true }'), refusal)
  assert.equal(code, 'ERR_SLUICE_DRIVER')
  assert.match(message, /^\{ strict: true \} demands it, but io_uring cannot be used here/)
  assert.equal(run(program('{ strict: false }'), refusal, { SLUICE_STRICT: '1' }).driver, 'epoll')
  assert.equal(run(program(''), refusal, { SLUICE_DRIVER: 'kqueue' }).code, 'ERR_INVALID_ARG_VALUE')
})
