import type { Case, Goal, Mechanism } from './mechanism.js'
import { appendLogMechanism } from './mechanisms/append-log.js'
import { copyFileRange } from './mechanisms/copy-file-range.js'
import { copyMapped } from './mechanisms/copy-mapped.js'
import { copyReadWrite } from './mechanisms/copy-read-write.js'
import { copyReflink } from './mechanisms/copy-reflink.js'
import { copyRing } from './mechanisms/copy-ring.js'
import { copySendfile } from './mechanisms/copy-sendfile.js'
import { copySplice } from './mechanisms/copy-splice.js'
import { directReadRegistered } from './mechanisms/direct-read-registered.js'
import { directReadRing } from './mechanisms/direct-read-ring.js'
import { directReadSync } from './mechanisms/direct-read-sync.js'
import { directWriteRing } from './mechanisms/direct-write-ring.js'
import { directWriteSync } from './mechanisms/direct-write-sync.js'
import { durableGroup } from './mechanisms/durable-group.js'
import { durablePromises } from './mechanisms/durable-promises.js'
import { durableRing } from './mechanisms/durable-ring.js'
import { durableSync } from './mechanisms/durable-sync.js'
import { echoNet } from './mechanisms/echo-net.js'
import { echoNode } from './mechanisms/echo-node.js'
import { echoRing } from './mechanisms/echo-ring.js'
import { echoSqpoll } from './mechanisms/echo-sqpoll.js'
import { echoThreads } from './mechanisms/echo-threads.js'
import { fileHandleDurable } from './mechanisms/file-handle-durable.js'
import { fileHandleRead } from './mechanisms/file-handle-read.js'
import { fileHandleWrite } from './mechanisms/file-handle-write.js'
import { mappedRead } from './mechanisms/mapped-read.js'
import { mappedWrite } from './mechanisms/mapped-write.js'
import { messagesNetCoalesced } from './mechanisms/messages-net-coalesced.js'
import { messagesNetEach } from './mechanisms/messages-net-each.js'
import { messagesNodeCorked } from './mechanisms/messages-node-corked.js'
import { messagesNodeEach } from './mechanisms/messages-node-each.js'
import { promisesRead } from './mechanisms/promises-read.js'
import { promisesWrite } from './mechanisms/promises-write.js'
import { readStream } from './mechanisms/read-stream.js'
import { readSyncMechanism } from './mechanisms/read-sync.js'
import { readvMechanism } from './mechanisms/readv.js'
import { relayNode } from './mechanisms/relay-node.js'
import { relayRecv } from './mechanisms/relay-recv.js'
import { relayRing } from './mechanisms/relay-ring.js'
import { relayRingZeroCopy } from './mechanisms/relay-ring-zero-copy.js'
import { relaySplice } from './mechanisms/relay-splice.js'
import { relayTransfer } from './mechanisms/relay-transfer.js'
import { ringRead } from './mechanisms/ring-read.js'
import { ringReadRegistered } from './mechanisms/ring-read-registered.js'
import { ringReadSqpoll } from './mechanisms/ring-read-sqpoll.js'
import { ringWrite } from './mechanisms/ring-write.js'
import { sendMapped } from './mechanisms/send-mapped.js'
import { sendNode } from './mechanisms/send-node.js'
import { sendRead } from './mechanisms/send-read.js'
import { sendRing } from './mechanisms/send-ring.js'
import { sendRingZeroCopy } from './mechanisms/send-ring-zero-copy.js'
import { sendSendfile } from './mechanisms/send-sendfile.js'
import { sendSplice } from './mechanisms/send-splice.js'
import { sendTransfer } from './mechanisms/send-transfer.js'
import { writeStream } from './mechanisms/write-stream.js'
import { writeSyncMechanism } from './mechanisms/write-sync.js'
import { writevMechanism } from './mechanisms/writev.js'
import { sizeText } from './quantity.js'

/** Every mechanism of the lab. A new one is a file in mechanisms/ and a line here. */
const MECHANISMS: readonly Mechanism[] = [
  readSyncMechanism,
  readvMechanism,
  promisesRead,
  readStream,
  mappedRead,
  fileHandleRead,
  ringRead,
  ringReadRegistered,
  ringReadSqpoll,
  directReadSync,
  directReadRing,
  directReadRegistered,
  writeSyncMechanism,
  writevMechanism,
  promisesWrite,
  writeStream,
  mappedWrite,
  fileHandleWrite,
  ringWrite,
  directWriteSync,
  directWriteRing,
  durableSync,
  durablePromises,
  fileHandleDurable,
  durableRing,
  durableGroup,
  appendLogMechanism,
  copyReadWrite,
  copyRing,
  copyMapped,
  copyFileRange,
  copyReflink,
  copySendfile,
  copySplice,
  echoNet,
  echoRing,
  echoSqpoll,
  echoNode,
  echoThreads,
  messagesNetEach,
  messagesNetCoalesced,
  messagesNodeEach,
  messagesNodeCorked,
  sendNode,
  sendRead,
  sendMapped,
  sendRing,
  sendRingZeroCopy,
  sendSplice,
  sendSendfile,
  sendTransfer,
  relayNode,
  relayRecv,
  relayRing,
  relayRingZeroCopy,
  relaySplice,
  relayTransfer,
]

/** What the goals are called, in the order in which they are measured and shown. */
export const GOALS: Record<Goal, string> = {
  'read/cached/sequential': 'Read from front to back, cached',
  'read/cached/random': 'Read at random, cached',
  'read/uncached/sequential': 'Read from front to back, uncached',
  'read/uncached/random': 'Read at random, uncached',
  'send/cached': 'Send a cached file to a socket',
  'write/cached/sequential': 'Write from front to back, into the cache',
  'write/cached/random': 'Write at random, into the cache',
  'write/uncached/sequential': 'Write from front to back, past the cache',
  'write/uncached/random': 'Write at random, past the cache',
  'write/durable/sequential': 'Write durably, block by block',
  'write/copy/sequential': 'Copy from one place to another, cached',
  'net/echo': 'Send 64 bytes and wait for the echo',
  'net/messages': 'Send messages of 64 bytes',
  'net/relay': 'Pass bytes on from one socket to another',
}

/** One row: a mechanism in one of its cases. */
export interface Row {
  /** Such as `read/cached/random/ring-4-kib-x64`: unique, and what `--only` is matched against. */
  readonly id: string
  /** Such as `Ring 4 KiB ×64`. */
  readonly name: string
  readonly goal: Goal
  readonly mechanism: Mechanism
  readonly size: number
  readonly depth: number
}

function row(mechanism: Mechanism, { goal, size, depth = 1 }: Case): Row {
  const name = `${mechanism.name} ${sizeText(size)}${depth === 1 ? '' : ` ×${depth}`}`
  const slug = name
    .toLowerCase()
    .replace('×', 'x')
    .replace(/[^a-z0-9.]+/g, '-')
  return { id: `${goal}/${slug}`, name, goal, mechanism, size, depth }
}

/** Every row, goal by goal. */
export function allRows(): Row[] {
  const rows = MECHANISMS.flatMap(mechanism => mechanism.cases.map(each => row(mechanism, each)))
  return Object.keys(GOALS).flatMap(goal => rows.filter(each => each.goal === goal))
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/**
 * The rows that a pattern names.
 *
 * @param pattern what an id or a name has in it, whatever its case; `*` stands for anything, and of several, parted by
 *   commas, one must fit
 */
export function rowsMatching(pattern: string): Row[] {
  const expressions = pattern
    .split(',')
    .filter(part => part.trim() !== '')
    .map(part => new RegExp(part.trim().split('*').map(escaped).join('.*'), 'i'))
  return allRows().filter(({ id, name }) => expressions.some(each => each.test(id) || each.test(name)))
}
