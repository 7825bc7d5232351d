import { closeSync, openSync, readSync } from 'node:fs'

/** The bytes and calls of a process, all of its threads, as /proc/PID/io counts them. @see proc_pid_io(5) */
export interface ProcessIo {
  /** Bytes that read-like system calls returned, from the page cache or not. */
  bytesAsked: number
  /** Bytes that write-like system calls took. */
  bytesGiven: number
  /** Read-like system calls. Neither recv nor io_uring_enter is one. */
  readCalls: number
  /** Write-like system calls. */
  writeCalls: number
  /** Bytes that were fetched from a device: reading ahead, page faults and Direct I/O included. */
  bytesFetched: number
  /** Bytes that were made to be written to a device, now or later. */
  bytesStored: number
}

const FIELDS: Record<string, keyof ProcessIo> = {
  rchar: 'bytesAsked',
  wchar: 'bytesGiven',
  syscr: 'readCalls',
  syscw: 'writeCalls',
  read_bytes: 'bytesFetched',
  write_bytes: 'bytesStored',
}

/** The text of /proc/PID/io as numbers; a line that is missing counts as 0. */
export function parseProcessIo(text: string): ProcessIo {
  const io: ProcessIo = {
    bytesAsked: 0,
    bytesGiven: 0,
    readCalls: 0,
    writeCalls: 0,
    bytesFetched: 0,
    bytesStored: 0,
  }
  for (const line of text.split('\n')) {
    const [name = '', value] = line.split(': ')
    const field = FIELDS[name]
    if (field !== undefined) io[field] = Number(value)
  }
  return io
}

/** /proc/self/io, kept open: looking costs one system call. */
export class ProcessIoFile {
  readonly #descriptor: number
  readonly #text = Buffer.alloc(512)

  /** @throws the system error of open(2), where the kernel does no such accounting or a sandbox hides it */
  constructor() {
    this.#descriptor = openSync('/proc/self/io', 'r')
  }

  /** What has been moved so far; the looking itself is counted at the next look. */
  read(): ProcessIo {
    const length = readSync(this.#descriptor, this.#text, 0, this.#text.length, 0)
    return parseProcessIo(this.#text.toString('latin1', 0, length))
  }

  /** Closes the descriptor. */
  close(): void {
    closeSync(this.#descriptor)
  }
}
