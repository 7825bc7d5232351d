import { closeSync } from 'node:fs'
import { F, O, syscall, systemError } from '../../kernel/index.js'
import { COPY_CASES, copyHalves } from '../copy-halves.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'

function checked(result: number, name: string): number {
  if (result < 0) throw systemError(result, name)
  return result
}

function openPipe(bytes: number): { pipe: Int32Array; capacity: number } {
  const pipe = new Int32Array(new ArrayBuffer(8))
  checked(syscall('pipe2', pipe, O.CLOEXEC), 'pipe2')
  // Without the right to so large a pipe it stays as it is, and takes more turns.
  syscall('fcntl', pipe[0] as number, F.SETPIPE_SZ, bytes)
  return { pipe, capacity: checked(syscall('fcntl', pipe[0] as number, F.GETPIPE_SZ), 'fcntl') }
}

/** splice(2) into a pipe and out of it. */
export const copySplice: Mechanism = {
  name: 'splice',
  about: 'pages go into a pipe of the program’s and out of it: two system calls for each pipe full',
  copies: 1,
  copiesWhy: 'page cache to page cache, at the pipe’s end',
  cases: COPY_CASES,
  bound: 'the pipe',
  open: setting =>
    copyHalves(setting, (source, target, size) => {
      const { pipe, capacity } = openPipe(size)
      const [reader, writer] = pipe as unknown as [number, number]
      const offsets = new BigInt64Array(new ArrayBuffer(16))
      const places = [offsets.subarray(0, 1), offsets.subarray(1, 2)] as const
      return {
        copy(from, to, length) {
          offsets[0] = BigInt(from)
          offsets[1] = BigInt(to)
          for (let done = 0; done < length; ) {
            const piece = Math.min(capacity, length - done)
            let held = checked(syscall('splice', source, places[0], writer, 0, piece, 0), 'splice')
            if (held === 0) return whole(done, length)
            done += held
            while (held > 0)
              held -= checked(syscall('splice', reader, 0, target, places[1], held, 0), 'splice')
          }
          return length
        },
        close() {
          closeSync(reader)
          closeSync(writer)
        },
      }
    }),
}
