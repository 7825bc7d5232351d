import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { engine } from '../engine/index.js'
import { POLL, SO, SOL, syscall } from '../kernel/index.js'
import {
  countAfterEach,
  openSinkEnd,
  pipePair,
  pump,
  scratchFile,
  someBytes,
  tcpPair,
} from './ends.test.support.js'
import { pipePool, type TransferFailure, type TransferOptions, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const VIAS: readonly TransferOptions['via'][] = [
  undefined,
  'sendfile',
  'splice',
  'vmsplice',
  'preadv2',
  'send_zc',
  'read+write',
]
/** Bytes that a way may have under way between a source that cannot give them again and its sink. */
const UNDER_WAY: Readonly<Record<string, number>> = {
  splice: 2 ** 20,
  send_zc: 2 * 2 ** 18,
  'read+write': 2 * 2 ** 17,
}
const bytes = someBytes(2 ** 24)

/** Whether a sink would take bytes now. */
function takes(fd: number): boolean {
  const entry = new Int32Array(new ArrayBuffer(64))
  const noTime = new Int32Array(new ArrayBuffer(64))
  entry[0] = fd
  entry[1] = POLL.OUT
  return syscall('ppoll', entry, 1, noTime, 0, 8) > 0
}

function openSource(kind: 'file' | 'pipe' | 'tcp'): { fd: number; close(): Promise<void> } {
  if (kind === 'file') {
    const fd = openSync(scratchFile(bytes), 'r')
    return { fd, close: async () => closeSync(fd) }
  }
  const [fd, feeder] = kind === 'pipe' ? pipePair() : tcpPair()
  const fed = pump(feeder, bytes).catch(() => {})
  return {
    fd,
    close: async () => {
      closeSync(fd)
      await fed
      closeSync(feeder)
    },
  }
}

for (const kind of ['file', 'pipe', 'tcp'] as const) {
  for (const sinkKind of ['pipe', 'tcp', 'unix'] as const) {
    test(`from ${kind} to a ${sinkKind} that nobody reads from, no more is taken than the kernel keeps`, async () => {
      for (const via of VIAS) await stall(kind, sinkKind, via)
    })
  }
}

async function stall(
  kind: 'file' | 'pipe' | 'tcp',
  sinkKind: 'pipe' | 'tcp' | 'unix',
  via: TransferOptions['via'],
): Promise<void> {
  const what = `${kind} to ${sinkKind} by ${via}`
  const source = openSource(kind)
  const sink = openSinkEnd(sinkKind, true)
  const narrow = new Int32Array(new ArrayBuffer(64)).fill(65536, 0, 1)
  if (sinkKind !== 'pipe') syscall('setsockopt', sink.fd, SOL.SOCKET, SO.SNDBUF, narrow, 4)
  const abort = new AbortController()
  let over = false
  const before = process.memoryUsage().arrayBuffers
  const moved = transfer(source.fd, sink.fd, { via, length: bytes.length, signal: abort.signal }).then(
    () => assert.fail(`${what}: nobody has read it`),
    error => {
      over = true
      return error as TransferFailure & { code: string }
    },
  )
  while (!over && takes(sink.fd)) await turn()
  for (let turns = 0; !over && turns < 20; turns++) await turn()
  const memory = process.memoryUsage().arrayBuffers - before
  assert.ok(engine().stats().inFlight < 8, what)
  abort.abort()
  const error = await moved
  if (error.code !== 'ERR_SLUICE_UNSUPPORTED') {
    assert.equal(error.name, 'AbortError', error.stack)
    assert.ok(error.bytes > 0 && error.bytes < bytes.length, `${what}: ${error.bytes} bytes reached it`)
    const held = error.undelivered?.length ?? 0
    const most =
      kind === 'file'
        ? 0
        : Math.max(...(via === undefined ? Object.values(UNDER_WAY) : [UNDER_WAY[via] ?? 0]))
    assert.ok(held <= most, `${what}: ${held} bytes were held`)
    assert.ok(memory <= 2 ** 21, `${what}: ${memory} bytes of memory`)
    assert.equal(pipePool().stats().open, pipePool().stats().idle, what)
  }
  await source.close()
  await sink.finish()
}
