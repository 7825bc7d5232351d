import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { refusedProcess } from '../helpers/refused-process.js'

const LIBRARY = import.meta.resolve('#dist/http/index.js')
const PROGRAM = `
  import { serve } from ${JSON.stringify(LIBRARY)}
  const { code, message } = await serve({ root: ${JSON.stringify(tmpdir())}, port: 0 }).then(() => ({}), error => error)
  console.log(JSON.stringify({ code, message }))`

test('where a sandbox refuses openat2 the server says so at its start, rather than fail with every request', () => {
  const calls = ['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'openat2'] as const
  for (const code of ['ENOSYS', 'EPERM']) {
    const { args, env } = refusedProcess({ code, calls })
    const options = { encoding: 'utf8', env, timeout: 30_000 } as const
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [...args, '--input-type=module', '--eval', PROGRAM],
      options,
    )
    assert.notEqual(stdout, '', stderr)
    const error = JSON.parse(stdout)
    assert.equal(error.code, 'ERR_SLUICE_UNSUPPORTED')
    assert.match(error.message, new RegExp(`openat2\\(2\\).*${code}`))
  }
})
