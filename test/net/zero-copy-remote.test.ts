import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const FIXTURE = fileURLToPath(new URL('./fixtures/remote-peer.js', import.meta.url))

/** Why there can be no second network here. */
function noNetwork(): string | false {
  const tried = spawnSync(
    'unshare',
    ['-n', 'ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far'],
    {
      encoding: 'utf8',
    },
  )
  if (tried.status === 0) return false
  return `no network of its own can be made: ${tried.error?.message ?? tried.stderr.trim()}`
}

test('auto: registered memory is sent without a copy to another machine', { skip: noNetwork() }, () => {
  const { stdout, stderr } = spawnSync('unshare', ['-n', process.execPath, FIXTURE], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  const { driver, registered, sends, came } = JSON.parse(stdout || `{"stderr":${JSON.stringify(stderr)}}`)
  assert.deepEqual({ sends, came }, { sends: driver === 'ring' && registered ? 1 : 0, came: true }, stderr)
})
