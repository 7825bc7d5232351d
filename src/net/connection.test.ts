import assert from 'node:assert/strict'
import { dial, pattern, readAll, readExactly, serve, testOnBoth, withPair } from './net.test.support.js'

testOnBoth('an echo server echoes', async () => {
  await using server = await serve(async connection => {
    for await (const bytes of connection) await connection.write(bytes)
  })
  const connection = await dial(server)
  await connection.write('hello')
  assert.deepEqual(await connection.read(), new Uint8Array(Buffer.from('hello')))
  await connection.end()
  assert.equal(await connection.read(), null)
  await connection.close()
})

testOnBoth('what is written in one turn comes in order, whatever its size', async () => {
  await withPair(async (near, far) => {
    const sizes = [1, 10, 100, 9000, 3, 70_000, 5, 8192, 8193, 0, 20_000, 1]
    const whole = pattern(sizes.reduce((sum, size) => sum + size))
    let at = 0
    const written = sizes.map(size => {
      at += size
      return near.write(whole.subarray(at - size, at))
    })
    const read = readAll(far)
    await Promise.all(written)
    await near.end()
    assert.deepEqual(await read, whole)
    assert.equal(near.bytesWritten, whole.length)
    assert.equal(far.bytesRead, whole.length)
  })
})

testOnBoth('a copied write may be overwritten at once, a large one when it settles', async () => {
  await withPair(async (near, far) => {
    const small = Buffer.from('small')
    const large = Buffer.alloc(100_000, 'x')
    const writing = [near.write(small), near.write(large)]
    small.fill('!')
    const got = readExactly(far, 100_005)
    await Promise.all(writing)
    large.fill('!')
    assert.equal((await got).toString(), `small${'x'.repeat(100_000)}`)
  })
})

testOnBoth('text is sent as UTF-8, and writev sends its pieces in order', async () => {
  await withPair(async (near, far) => {
    await near.writev(['größe ', Buffer.from('and '), 'width'])
    await near.end()
    assert.equal((await readAll(far)).toString(), 'größe and width')
  })
})

testOnBoth("readInto fills the caller's memory and says how far", async () => {
  await withPair(async (near, far) => {
    await near.write('abcdef')
    const buffer = Buffer.alloc(4, '.')
    assert.equal(await far.readInto(buffer), 4)
    assert.equal(buffer.toString(), 'abcd')
    assert.equal(await far.readInto(buffer), 2)
    assert.equal(buffer.toString(), 'efcd')
    await near.end()
    assert.equal(await far.readInto(buffer), 0)
  })
})

testOnBoth('connections that write by turns in one turn each have their bytes in order', async () => {
  await withPair(async (one, other) => {
    await withPair(async (two, another) => {
      const sizes = [1, 64, 3000, 5000, 200, 7000, 64, 8192, 1]
      const total = sizes.reduce((sum, size) => sum + size, 0)
      let at = 0
      for (const size of sizes) {
        void one.write(pattern(size, at))
        void two.write(pattern(size, at + 7))
        at += size
      }
      assert.ok((await readExactly(other, total)).equals(pattern(total)))
      assert.ok((await readExactly(another, total)).equals(pattern(total, 7)))
      assert.deepEqual([one.bytesWritten, two.bytesWritten], [total, total])
    })
  })
})
