import {
  AF,
  errnoOf,
  F,
  iovecs,
  MSG,
  O,
  OwnedDescriptor,
  SOCK,
  type SyscallArgument,
  type SyscallName,
  syscall,
  systemError,
} from '../../kernel/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { Endpoint, setOffset } from '../endpoint.js'
import { Residency } from '../residency.js'

/** What it costs to send one file of a size over a connection, in nanoseconds of this thread. */
export interface CostSample {
  bytes: number
  /** Copied out of the page cache and sent. */
  copiedNs: number
  /** Lent by sendfile(2). */
  lentNs: number
}

const SIZES = [4096, 16384, 65536, 131072, 262144, 524288] as const
const LARGEST = 524288
/** Of so many, the median counts; those before it warm things up. */
const REPETITIONS = 9
const WARM_UP = 3
/** Times that everything is done beforehand, so that the code is compiled and the connection up to speed. */
const PRACTICE = 32
const EAGAIN = -errnoOf('EAGAIN')
const MFD_CLOEXEC = 1
const NAME = new Uint8Array(new ArrayBuffer(16))

function own(name: SyscallName, ...args: SyscallArgument[]): OwnedDescriptor {
  return new OwnedDescriptor(syscall(name, ...args), name)
}

function check(name: SyscallName, ...args: SyscallArgument[]): void {
  const result = syscall(name, ...args)
  if (result < 0) throw systemError(result, name)
}

/** Two ends of a TCP connection by way of the loopback device, and a file in memory. */
class Bench {
  readonly #owned: OwnedDescriptor[] = []
  readonly #file: number
  readonly #residency: Residency
  readonly #sender: number
  readonly #receiver: number
  readonly #buffer = alignedBuffer(LARGEST)
  readonly #vector = iovecs([this.#buffer])
  readonly #offset = new Int32Array(new ArrayBuffer(64))

  constructor() {
    try {
      this.#file = this.#keep(own('memfd_create', NAME, MFD_CLOEXEC))
      check('write', this.#file, this.#buffer, LARGEST)
      this.#residency = new Residency(new Endpoint(this.#file))
      const listener = this.#keep(own('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0))
      const address = new Uint8Array(new ArrayBuffer(16))
      address.set([AF.INET, 0, 0, 0, 127, 0, 0, 1])
      check('bind', listener, address, 16)
      check('listen', listener, 1)
      const length = new Uint32Array(new ArrayBuffer(64)).fill(16, 0, 1)
      check('getsockname', listener, address, length)
      this.#sender = this.#keep(own('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0))
      check('connect', this.#sender, address, 16)
      this.#receiver = this.#keep(own('accept4', listener, 0, 0, SOCK.CLOEXEC))
      check('fcntl', this.#sender, F.SETFL, O.RDWR | O.NONBLOCK)
    } catch (error) {
      this.close()
      throw error
    }
  }

  #keep(descriptor: OwnedDescriptor): number {
    this.#owned.push(descriptor)
    return descriptor.fd
  }

  /** Sends a file of a size once. @returns nanoseconds for all of it; what a full socket did not take is reckoned in */
  time(bytes: number, lent: boolean): number {
    const begin = process.hrtime.bigint()
    const sent = lent ? this.#lend(bytes) : this.#copy(bytes)
    const elapsed = Number(process.hrtime.bigint() - begin)
    while (syscall('recvfrom', this.#receiver, this.#buffer, LARGEST, MSG.DONTWAIT | MSG.TRUNC) > 0);
    if (sent < 0 && sent !== EAGAIN) throw systemError(sent, lent ? 'sendfile' : 'send')
    return sent > 0 ? (elapsed * bytes) / sent : Number.POSITIVE_INFINITY
  }

  #lend(bytes: number): number {
    // Looking whether the file is in memory is part of the price.
    this.#residency.forget()
    if (this.#residency.warm(0, bytes) === 0) return EAGAIN
    setOffset(this.#offset, 0)
    return syscall('sendfile', this.#sender, this.#file, this.#offset, bytes)
  }

  #copy(bytes: number): number {
    let done = 0
    while (done < bytes) {
      const length = Math.min(bytes - done, 2 ** 17)
      this.#vector[2] = length
      // A file in memory has no RWF_NOWAIT; it costs nothing to speak of.
      const read = syscall('preadv2', this.#file, this.#vector, 1, done)
      const flags = MSG.DONTWAIT | MSG.NOSIGNAL
      const sent = read < 0 ? read : syscall('sendto', this.#sender, this.#buffer, read, flags)
      if (sent <= 0) return done > 0 ? done : sent
      done += sent
      if (sent < read) break
    }
    return done
  }

  close(): void {
    for (const descriptor of this.#owned) descriptor.close()
  }
}

function median(values: number[]): number {
  return values.sort((one, other) => one - other)[values.length >> 1] as number
}

/** Lets the event loop go round; waiting for it keeps no process alive. */
function turn(): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, 1).unref()
  })
}

/**
 * Measures what sending costs here, in pieces of less than a millisecond between which the event loop goes on. Takes a few
 * tenths of a second in all. A process that has nothing else to do ends in the middle of it.
 *
 * @throws the system error where there is no loopback device, or descriptors are exhausted
 */
export async function measureCosts(): Promise<CostSample[]> {
  const bench = new Bench()
  try {
    const samples: CostSample[] = []
    for (let time = 0; time < PRACTICE; time++) {
      await turn()
      bench.time(SIZES[2], time % 2 === 0)
    }
    for (const bytes of SIZES) {
      const copied: number[] = []
      const lent: number[] = []
      for (let repetition = -WARM_UP; repetition < REPETITIONS; repetition++) {
        await turn()
        const times = [bench.time(bytes, false), bench.time(bytes, true)] as const
        if (repetition < 0) continue
        copied.push(times[0])
        lent.push(times[1])
      }
      samples.push({ bytes, copiedNs: Math.round(median(copied)), lentNs: Math.round(median(lent)) })
    }
    return samples
  } finally {
    bench.close()
  }
}
