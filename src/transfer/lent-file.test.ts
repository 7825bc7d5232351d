import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { pageCache } from '../file/index.js'
import { FixedBytes } from '../net/index.js'
import { collect, countAfterEach, scratchFile, someBytes, tcpPair } from './ends.test.support.js'
import { LentFile } from './lent-file.js'

countAfterEach()

const HEAD = new FixedBytes(Buffer.from('head'))

test('of a small file that is not in memory nothing is sent before it has been fetched, then all of it', async context => {
  const bytes = someBytes(150_001)
  const fd = openSync(scratchFile(bytes), 'r')
  const [socket, peer] = tcpPair()
  try {
    await pageCache.evict(fd, { sync: true })
    if ((await pageCache.stat(fd)).cached > 0)
      return context.skip('this file system keeps its pages in memory')
    const lent = new LentFile(fd)
    assert.equal(lent.send(socket, HEAD, 0, bytes.length), 0)
    await lent.fetch(0, bytes.length)
    assert.equal(lent.fetch(0, bytes.length), undefined, 'it was just fetched')
    assert.equal(lent.send(socket, HEAD, 0, bytes.length), HEAD.bytes.length + bytes.length)
    const received = await collect(peer, HEAD.bytes.length + bytes.length)
    assert.deepEqual(received, Buffer.concat([HEAD.bytes, bytes]))
  } finally {
    for (const each of [fd, socket, peer]) closeSync(each)
  }
})

test('a large file is not fetched before its beginning is sent, nor one that has become shorter believed in', async () => {
  const bytes = someBytes(1000)
  const fd = openSync(scratchFile(bytes), 'r')
  try {
    const lent = new LentFile(fd)
    assert.equal(lent.fetch(0, 2 ** 20), undefined)
    await lent.fetch(0, 5000)
    const again = lent.fetch(0, 5000)
    assert.notEqual(again, undefined)
    await again
  } finally {
    closeSync(fd)
  }
})
