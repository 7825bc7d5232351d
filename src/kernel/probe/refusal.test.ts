import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainRefusal } from './refusal.js'
import { probeSandbox, type SandboxFacts } from './sandbox.js'

const free: SandboxFacts = {
  user: { uid: 1000, gid: 1000, groups: [1000] },
  capabilities: [],
  seccomp: 'none',
  noNewPrivileges: false,
  securityModules: [],
  securityLabel: null,
  container: null,
}

const explain = (code: number, sandbox: Partial<SandboxFacts> = {}) =>
  explainRefusal(-code, 'io_uring_setup', { ...free, ...sandbox })

const EPERM = 1
const ENOMEM = 12
const EACCES = 13
const EINVAL = 22
const ENFILE = 23
const EMFILE = 24
const ENOSYS = 38

test('a filter is blamed where there is one, and the fix is the container runtime’s own', () => {
  for (const container of ['docker', 'podman', 'kubernetes', 'lxc', 'wsl'] as const) {
    const refusal = explain(EPERM, { seccomp: 'filter', container })
    assert.equal(refusal.cause, 'seccomp')
    assert.equal(refusal.code, 'EPERM')
    assert.ok(refusal.fix.length > 20)
  }
  assert.match(explain(EPERM, { seccomp: 'filter', container: 'docker' }).fix, /docker run --security-opt/)
  assert.match(explain(EPERM, { seccomp: 'filter' }).fix, /systemd/)
})

test('a security module is blamed where it has a label for us', () => {
  const label = { securityLabel: 'system_u:system_r:container_t:s0' }
  assert.equal(explain(EACCES, label).cause, 'security-module')
  assert.equal(explain(EACCES, { ...label, seccomp: 'filter' }).cause, 'security-module')
  assert.equal(explain(EPERM, label).cause, 'security-module')
  assert.match(explain(EACCES, label).reason, /container_t/)
})

test('without anybody to blame, it says so', () => {
  assert.equal(explain(EPERM).cause, 'unknown')
  assert.equal(explain(EINVAL).cause, 'unknown')
  assert.match(explain(EINVAL).reason, /EINVAL/)
})

test('a lack of something is no refusal', () => {
  assert.equal(explain(ENOMEM).cause, 'memory')
  assert.equal(explain(EMFILE).cause, 'descriptors')
  assert.equal(explain(ENFILE).cause, 'descriptors')
})

test('ENOSYS is a filter’s where the kernel has io_uring, and gVisor’s in gVisor', () => {
  assert.equal(explain(ENOSYS, { container: 'gvisor' }).cause, 'kernel')
  assert.equal(explain(ENOSYS).cause, 'kernel')
})

test('what is found out about this process fits what it may do', () => {
  const sandbox = probeSandbox()
  assert.equal(sandbox.user.uid, process.geteuid?.())
  assert.ok(['none', 'strict', 'filter'].includes(sandbox.seccomp))
})
