import assert from 'node:assert/strict'
import { ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { AT, IOSQE, iovecs, O, pathBytes, RWF } from '../kernel/index.js'
import { addFlags, prepareNop, prepareOpenAt, prepareRead, prepareReadv, prepareWrite } from './index.js'
import { bytesOf, room, textOf } from './operation.test.support.js'
import {
  byUserData,
  completion,
  completions,
  failure,
  MODES,
  ringTest,
  runModule,
} from './ring.test.support.js'

ringTest('a read across the end is short, and one behind it gives nothing', stage => {
  const ring = stage.ring()
  const file = stage.file('12345')
  const [first, second] = [room(4), room(4)]
  prepareRead(ring.submissions, file, first, 3, 1)
  prepareRead(ring.submissions, file, second, 5, 2)
  prepareRead(ring.submissions, file, second, 2 ** 40, 3)
  assert.deepEqual(byUserData(completions(ring, 3)), { 1: 2, 2: 0, 3: 0 })
  assert.deepEqual([...first], [...bytesOf('45'), 0, 0])
  assert.deepEqual(second, room(4))
})

ringTest('a scattered read fills its buffers in order and stops at the end', stage => {
  const ring = stage.ring()
  const buffers = [room(2), room(0), room(2), room(4)]
  const vectors = iovecs(buffers)
  prepareReadv(ring.submissions, stage.file('12345'), vectors, 0, 1)
  assert.equal(completion(ring).result, 5)
  assert.deepEqual(
    buffers.map(buffer => textOf(buffer).replaceAll('\0', '.')),
    ['12', '', '34', '5...'],
  )
})

ringTest('a pipe gives what is there, and its end when nobody writes any more', async () => {
  const source = `
    const { Ring, prepareRead, prepareClose } = ring
    const fds = new Int32Array(new ArrayBuffer(8))
    kernel.syscall('pipe2', fds, 0)
    const mine = new Ring({ entries: 4 })
    const bytes = new Uint8Array(new ArrayBuffer(64))
    const results = []
    fs.writeSync(fds[1], 'some')
    for (let round = 0; round < 2; round++) {
      prepareRead(mine.submissions, fds[0], bytes, -1, round)
      if (round === 1) fs.closeSync(fds[1])
      mine.submit(1)
      mine.reap((userData, result) => results.push(result))
    }
    console.log(results.join(' '))`
  const { output } = await runModule(source)
  assert.equal(output.trim(), '4 0')
})

ringTest('errors are results: what cannot be done says why, and the ring goes on', stage => {
  const ring = stage.ring({ entries: 16 })
  const folder = stage.directory()
  const readable = stage.file('x')
  const missing = pathBytes(join(folder, 'missing'))
  const [reading] = stage.pipe()
  prepareRead(ring.submissions, -1, room(1), 0, 1)
  prepareRead(ring.submissions, stage.openFile(folder, O.RDONLY), room(1), 0, 2)
  prepareWrite(ring.submissions, readable, bytesOf('x'), 0, 3)
  prepareOpenAt(ring.submissions, AT.FDCWD, missing, O.RDONLY, 0, 4)
  prepareRead(ring.submissions, reading, room(1), -1, 5)
  addFlags(ring.submissions, RWF.NOWAIT)
  prepareNop(ring.submissions, 6)
  assert.deepEqual(byUserData(completions(ring, 6)), {
    1: failure('EBADF'),
    2: failure('EISDIR'),
    3: failure('EBADF'),
    4: failure('ENOENT'),
    5: failure('EAGAIN'),
    6: 0,
  })
})

for (const mode of MODES) {
  ringTest(
    `a process without descriptors left is told so, and can go on once there are (${mode})`,
    async () => {
      const source = `
      const { Ring, prepareOpenAt } = ring
      const mine = new Ring({ entries: 4, mode: '${mode}' })
      const path = kernel.pathBytes('/dev/null')
      const open = () => {
        prepareOpenAt(mine.submissions, -100, path, 0, 0, 1)
        mine.submit(1)
        let opened
        mine.reap((userData, result) => { opened = result })
        return opened
      }
      const fds = []
      for (let fd = open(); fd >= 0; fd = open()) fds.push(fd)
      let made
      try { new Ring({ entries: 4 }); made = 'made' } catch (error) { made = error.code }
      const refused = open()
      for (const fd of fds) fs.closeSync(fd)
      console.log(refused, made, open() > 0)
      mine.close()`
      const { code, output } = await runModule(`
      import { spawnSync } from 'node:child_process'
      const source = ${JSON.stringify(source)}
      const imports = "import * as ring from '${new URL('./index.js', import.meta.url).href}'\\n" +
        "import * as kernel from '${new URL('../kernel/index.js', import.meta.url).href}'\\nimport * as fs from 'node:fs'\\n"
      const script = 'ulimit -n 128; exec "$0" --input-type=module --eval "$1"'
      const { stdout, stderr, status } = spawnSync('sh', ['-c', script, process.execPath, imports + source])
      process.stdout.write(stdout); process.stderr.write(stderr); process.exitCode = status`)
      assert.equal(code, 0, output)
      assert.equal(output.trim(), `${failure('EMFILE')} EMFILE true`)
    },
  )
}

ringTest('an operation sent to a worker gives the same result as at once', stage => {
  const ring = stage.ring()
  const file = stage.file('same')
  const at = openSync('/dev/null', 'r')
  stage.owns(at)
  for (const flags of [0, IOSQE.ASYNC]) {
    const bytes = room(8)
    prepareRead(ring.submissions, file, bytes, 0, 1)
    ring.submissions.mark(flags)
    prepareRead(ring.submissions, at, room(8), 0, 2)
    ring.submissions.mark(flags)
    assert.deepEqual(byUserData(completions(ring, 2)), { 1: 4, 2: 0 })
    assert.equal(textOf(bytes.subarray(0, 4)), 'same')
  }
})

ringTest('a file truncated underneath makes reads short, never wrong', stage => {
  const ring = stage.ring({ entries: 16 })
  const fd = stage.file('', O.RDWR)
  const buffers = Array.from({ length: 8 }, () => room(8192))
  let short = 0
  for (let round = 0; round < 30; round++) {
    ftruncateSync(fd, 0)
    writeSync(fd, Buffer.alloc(65536, 'x'), 0, 65536, 0)
    for (const [index, buffer] of buffers.entries()) {
      buffer.fill(0x79)
      prepareRead(ring.submissions, fd, buffer, index * 8192, index)
      // Carried out by a worker while this thread truncates.
      ring.submissions.mark(IOSQE.ASYNC)
    }
    const truncate = () => ftruncateSync(fd, (round * 7919) % 65536)
    if (round % 2 === 0) truncate()
    ring.submit()
    if (round % 2 === 1) truncate()
    for (const { userData, result } of completions(ring, 8)) {
      assert.ok(result >= 0 && result <= 8192, `${result}`)
      const bytes = buffers[userData]?.subarray(0, result)
      assert.equal(
        bytes?.find(byte => byte !== 0x78 && byte !== 0),
        undefined,
      )
      if (result < 8192) short++
    }
  }
  assert.ok(short > 0, 'no read met the end')
})
