import { closeSync, openSync } from 'node:fs'
import { F, MSG, O, type SyscallArgument, syscall } from '../kernel/index.js'
import { blockingSocket, checked } from './blocking-socket.js'
import { bytePorts } from './byte-peer.js'
import { inLanes } from './lanes.js'
import type { Case, Setting, Workload } from './mechanism.js'
import { whole } from './short-transfer.js'
import { MIB } from './sizes.js'

/** What the ways from a file to a socket are compared at. */
export const SEND_CASES: readonly Case[] = [{ goal: 'send/cached', size: MIB }]
/** What the ways from socket to socket are compared at. */
export const RELAY_CASES: readonly Case[] = [{ goal: 'net/relay', size: MIB }]

/** Sets an offset as calls take it by address. */
export function setOffsetWords(words: Int32Array, offset: number): void {
  words[0] = offset
  words[1] = Math.floor(offset / 2 ** 32)
}

/** A descriptor that bytes come from, one that they go to, and how one piece moves. */
export interface BytePath {
  /** Moves `length` bytes, of a file those at `position`. @returns bytes moved */
  move(position: number, length: number): number | Promise<number>
  enters?(): number
  close?(): void
}

async function workload(
  { size }: Setting,
  source: number,
  prepare: (source: number, sink: number, size: number) => BytePath,
): Promise<Workload> {
  const { discard } = await bytePorts()
  const sink = blockingSocket(discard)
  const path = prepare(source, sink, size)
  const { enters } = path
  return {
    run: lap => inLanes(lap, 1, async position => whole(await path.move(position, size), size)),
    ...(enters === undefined ? {} : { enters }),
    close() {
      path.close?.()
      closeSync(source)
      closeSync(sink)
    },
  }
}

/** From the file to a socket whose other end throws away what comes. */
export function fileToSocket(
  setting: Setting,
  prepare: (source: number, sink: number, size: number) => BytePath,
): Promise<Workload> {
  return workload(setting, openSync(setting.path, 'r'), prepare)
}

/** From a socket that always has more to one whose other end throws it away. */
export async function socketToSocket(
  setting: Setting,
  prepare: (source: number, sink: number, size: number) => BytePath,
): Promise<Workload> {
  const { pour } = await bytePorts()
  return workload(setting, blockingSocket(pour), prepare)
}

/** Has calls on a descriptor say that they would wait, as those on a connection do. @throws the system error */
export function nonBlocking(fd: number): void {
  checked(
    syscall('fcntl', fd, F.SETFL, checked(syscall('fcntl', fd, F.GETFL), 'fcntl') | O.NONBLOCK),
    'fcntl',
  )
}

/** Calls that move some until all has been moved. @param call moves at most so many. @returns bytes moved */
export function allOf(length: number, name: string, call: (done: number, left: number) => number): number {
  let done = 0
  while (done < length) {
    const moved = checked(call(done, length - done), name)
    if (moved === 0) break
    done += moved
  }
  return done
}

/** send(2) of everything. @param from an address, or what holds the bytes */
export function sendAll(fd: number, from: SyscallArgument, length: number): number {
  return checked(syscall('sendto', fd, from, length, MSG.NOSIGNAL | MSG.WAITALL), 'send')
}

/** A pipe that blocks, as large as `bytes` where that is allowed. */
export class BlockingPipe {
  readonly reader: number
  readonly writer: number
  readonly capacity: number

  constructor(bytes: number) {
    const ends = new Int32Array(new ArrayBuffer(8))
    checked(syscall('pipe2', ends, O.CLOEXEC), 'pipe2')
    this.reader = ends[0] as number
    this.writer = ends[1] as number
    syscall('fcntl', this.reader, F.SETPIPE_SZ, bytes)
    this.capacity = checked(syscall('fcntl', this.reader, F.GETPIPE_SZ), 'fcntl')
  }

  /** Moves bytes through it. @param offset where in the source, or 0 for wherever it stands */
  pass(source: number, offset: SyscallArgument, sink: number, length: number): number {
    return allOf(length, 'splice', (_done, left) => {
      const most = Math.min(left, this.capacity)
      const held = checked(syscall('splice', source, offset, this.writer, 0, most, 0), 'splice')
      return allOf(held, 'splice', (_sent, rest) => syscall('splice', this.reader, 0, sink, 0, rest, 0))
    })
  }

  close(): void {
    closeSync(this.reader)
    closeSync(this.writer)
  }
}
