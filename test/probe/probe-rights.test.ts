import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  errnoOf,
  O,
  probe,
  syscall,
  UFFD_API,
  UFFD_FEATURE,
  UFFD_IOCTL,
  UFFD_USER_MODE_ONLY,
  UFFDIO_API_LAYOUT,
} from '#dist/kernel/index.js'
import { Ring } from '#dist/ring/index.js'
import { runChild } from '../helpers/child.js'

const result = probe()
const isRoot = process.getuid?.() === 0
const notRoot = !isRoot && 'only root can become another user'
const REPORT = JSON.stringify(import.meta.resolve('#dist/cli/probe-report.js'))
const METER = JSON.stringify(import.meta.resolve('#dist/observe/index.js'))

/** A process of a user that nobody else is: what is counted for a user is its own. */
const AS_NOBODY_ELSE = 'process.setgroups([]); process.setgid(64123); process.setuid(64123)'

/** A descriptor by the way that a probe has named. */
function userfaultfd(mode: typeof result.userfaultfd.mode): number {
  const flags = O.CLOEXEC | O.NONBLOCK
  if (mode === 'system-call') return syscall('userfaultfd', flags)
  if (mode === 'user-mode-only') return syscall('userfaultfd', flags | UFFD_USER_MODE_ONLY)
  const device = syscall('openat', -100, new TextEncoder().encode('/dev/userfaultfd\0'), O.RDWR | O.CLOEXEC)
  assert.ok(device >= 0)
  const fd = syscall('ioctl', device, UFFD_IOCTL.NEW, flags)
  syscall('close', device)
  return fd
}

test('each feature of userfaultfd that is said to be there is granted, and no other', t => {
  const { mode, features } = result.userfaultfd
  if (mode === null) return t.skip(`no userfaultfd here: ${result.userfaultfd.userModeOnly}`)
  assert.deepEqual(
    features.map(({ name }) => name),
    Object.keys(UFFD_FEATURE),
  )
  for (const { name, supported } of features) {
    const fd = userfaultfd(mode)
    assert.ok(fd >= 0)
    const api = BigUint64Array.of(
      BigInt(UFFD_API),
      BigInt(UFFD_FEATURE[name as keyof typeof UFFD_FEATURE]),
      0n,
    )
    assert.equal(api.byteLength, UFFDIO_API_LAYOUT.SIZE)
    const granted = syscall('ioctl', fd, UFFD_IOCTL.API, api)
    syscall('close', fd)
    // The kernel knows it, and keeps it from those who may not trace others.
    if (name === 'EVENT_FORK' && granted === -errnoOf('EPERM')) continue
    assert.equal(granted === 0, supported, `${name}: ${granted}`)
  }
  return undefined
})

test('an ordinary user is told which faults may be served', { skip: notRoot }, () => {
  const { unprivileged } = result.userfaultfd
  const printed = runChild(`${AS_NOBODY_ELSE}
    const { userfaultfd } = kernel.probe()
    const call = flags => kernel.syscall('userfaultfd', flags)
    console.log(JSON.stringify([userfaultfd, call(0) >= 0, call(1) >= 0]))`)
  const [facts, whole, userOnly] = JSON.parse(printed)
  assert.equal(facts.systemCall === 'ok', whole)
  assert.equal(facts.userModeOnly === 'ok', userOnly)
  if (unprivileged === 0) assert.equal(facts.systemCall, 'EPERM')
  if (facts.device !== 'ok')
    assert.equal(facts.mode, whole ? 'system-call' : userOnly ? 'user-mode-only' : null)
})

test('pipes are as large as is said, and a user has as many pages in them', { skip: notRoot }, t => {
  const { pipeMaxSize, pipeUserPagesSoft } = result.limits
  assert.equal(pipeMaxSize, Number(readFileSync('/proc/sys/fs/pipe-max-size', 'latin1')))
  const printed = runChild(`${AS_NOBODY_ELSE}
    const { pipeMaxSize, pipeUserPagesSoft } = kernel.probe().limits
    const pipe = () => {
      const ends = new Int32Array(new ArrayBuffer(8))
      if (kernel.syscall('pipe2', ends, 0) < 0) throw new Error('no pipe')
      return ends[0]
    }
    const size = (fd, bytes) => kernel.syscall('fcntl', fd, kernel.F.SETPIPE_SZ, bytes)
    const usual = pipe()
    const before = kernel.syscall('fcntl', usual, kernel.F.GETPIPE_SZ)
    const larger = size(usual, 2 * pipeMaxSize)
    kernel.syscall('close', usual)
    kernel.syscall('close', usual + 1)
    let full = 0
    const most = 2 * Math.ceil((pipeUserPagesSoft * kernel.PAGE_SIZE) / pipeMaxSize)
    while (full < most && size(pipe(), pipeMaxSize) === pipeMaxSize) full++
    const after = kernel.syscall('fcntl', pipe(), kernel.F.GETPIPE_SZ)
    console.log(JSON.stringify({ larger, full, before, after, page: kernel.PAGE_SIZE }))`)
  const { larger, full, before, after, page } = JSON.parse(printed)
  assert.equal(larger, -errnoOf('EPERM'))
  assert.ok(full >= 1)
  if (!pipeUserPagesSoft) return t.skip('the pipes of a user have no limit')
  const each = (pipeMaxSize as number) / page
  assert.ok(full * each <= pipeUserPagesSoft && pipeUserPagesSoft < (full + 1) * each, `${full} pipes`)
  assert.ok(after < before, `a pipe of ${after} bytes after ones of ${before}`)
  return undefined
})

test('memory can be locked up to the limit that is told, or beyond where one is exempt', {
  skip: notRoot,
}, () => {
  for (const [become, exempt] of [
    ['', true],
    [AS_NOBODY_ELSE, false],
  ] as const) {
    const printed = runChild(`
      const { ProbeReport } = await import(${REPORT})
      const words = BigUint64Array.of(65536n, 131072n, ...new BigUint64Array(8))
      kernel.syscall('prlimit64', 0, kernel.RLIMIT.MEMLOCK, words, 0)
      ${become}
      const probed = kernel.probe()
      const at = kernel.mapMemory(2 ** 20, kernel.PROT.READ | kernel.PROT.WRITE, kernel.MAP.PRIVATE | kernel.MAP.ANONYMOUS)
      const lock = bytes => kernel.syscall('mlock', at.address, bytes)
      const text = new ProbeReport(probed, { columns: 100, paint: (_, text) => text }).text
      const line = text.split('\\n').find(line => line.includes('locked memory'))
      console.log(JSON.stringify([probed.limits.memlock, lock(32768), lock(2 ** 20), line]))`)
    const [memlock, within, beyond, line] = JSON.parse(printed)
    assert.deepEqual(memlock, { soft: 65536, hard: 131072, exempt })
    assert.equal(within, 0)
    assert.equal(beyond, exempt ? 0 : -errnoOf('ENOMEM'))
    const rest = exempt ? ', which CAP_IPC_LOCK exempts from' : ''
    assert.equal(line.trim().replace(/ +/g, ' '), `locked memory 64 KiB, can be raised to 128 KiB${rest}`)
  }
})

/** What a meter can count with, beside what the probe says of it. */
const WATCHED = `
  const { openMeter } = await import(${METER})
  const { tracing } = kernel.probe()
  const meter = openMeter()
  meter.start()
  const { systemCalls, contextSwitches } = meter.stop()
  console.log(JSON.stringify([tracing, systemCalls?.method, contextSwitches?.method]))`

for (const [who, become] of [
  ['this user', ''],
  ['an ordinary user', AS_NOBODY_ELSE],
] as const) {
  test(`what ${who} may trace is what is said`, { skip: become !== '' && notRoot }, () => {
    const [tracing, systemCalls, contextSwitches] = JSON.parse(runChild(`${become}\n${WATCHED}`))
    assert.equal(tracing.tracepoints === 'ok', systemCalls === 'tracepoint', tracing.tracepoints)
    assert.equal(tracing.counters === 'ok', contextSwitches === 'perf', tracing.counters)
    const paranoid = '/proc/sys/kernel/perf_event_paranoid'
    const level = existsSync(paranoid) ? Number(readFileSync(paranoid, 'latin1')) : null
    assert.equal(tracing.perfEventParanoid, level)
    if (become === '') return
    if (level !== null && level > 1) assert.match(tracing.counters, /^E(ACCES|PERM)$/)
    if (tracing.unprivilegedBpfDisabled > 0) assert.equal(tracing.ebpf, 'EPERM')
  })
}

/** Each registration that is probed for, as a ring makes it. */
const REGISTRATIONS: Readonly<Record<string, (ring: Ring) => unknown>> = {
  PERSONALITY: ring => ring.registerPersonality(),
  FILES2: ring => ring.registerFiles(4),
  BUFFERS2: ring => ring.registerBuffers(4),
  IOWQ_MAX_WORKERS: ring => ring.limitWorkers(0, 0),
  PBUF_RING: ring => ring.registerBufferRing({ group: 1, entries: 4, bufferSize: 4096 }),
  'PBUF_RING (incremental)': ring =>
    ring.registerBufferRing({ group: 1, entries: 4, bufferSize: 4096, incremental: true }),
  SYNC_CANCEL: ring => assert.throws(() => ring.cancelNow({ userData: 1 }), { code: 'ENOENT' }),
  FILE_ALLOC_RANGE: ring => {
    ring.registerFiles(4)
    ring.limitFileAllocation(0, 2)
  },
  NAPI: ring => ring.registerNapi({ busyPollUs: 0 }),
  CLOCK: ring => ring.setClock('monotonic'),
  CLONE_BUFFERS: ring => {
    using other = new Ring({ entries: 8 })
    assert.throws(() => ring.cloneBuffers(other), { code: 'ENXIO' })
  },
  RESIZE_RINGS: ring => ring.resize(32),
}
/** Of these a ring makes no use by itself, or makes it when it is set up. */
const NOT_OFFERED = ['RING_FDS', 'MEM_REGION', 'QUERY']

test('a ring makes each registration that is said to be there, and no other', t => {
  const { available, registrations, refusal } = result.ioUring
  if (!available) return t.skip(`no io_uring here: ${refusal?.reason}`)
  const names = registrations.map(({ name }) => name)
  assert.deepEqual(names.toSorted(), [...Object.keys(REGISTRATIONS), ...NOT_OFFERED].toSorted())
  for (const { name, supported, code } of registrations) {
    const register = REGISTRATIONS[name]
    if (register === undefined) continue
    using ring = new Ring({ entries: 8, mode: 'dedicated' })
    if (supported) register(ring)
    else assert.throws(() => register(ring), { code })
  }
  return undefined
})
