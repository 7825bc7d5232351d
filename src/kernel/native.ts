import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { SluiceError } from './errors.js'

/** A number, or memory whose address the kernel is given. */
export type SyscallArgument = number | ArrayBufferView | ArrayBufferLike

/** A mapping's, watch's or pool's handle in the addon; opaque, freed when it is collected. */
export type NativeHandle = { readonly __native: never }

/** What native/ring.c gives for a ring. */
export interface NativeRing {
  /** What names it to `enter()`, by way of `chosen`. */
  readonly address: number
  /** Cancels, waits until nothing is in flight, closes. @returns how many requests are in flight still */
  close(): number
  move(queues: Float64Array): void
}

/** The addon's face. A number where a handle was hoped for is -errno. */
export interface Native {
  /** Of the package that it was built for. */
  readonly version: string
  syscall(number: number, ...args: SyscallArgument[]): number
  cacheLineInstruction(): string
  flushCacheLines(address: number, length: number): void
  addressOf(buffer: SyscallArgument): number
  copyFrom(address: number, target: Uint8Array): void
  /** @param call the number of the system call that ends it */
  own(value: number, call: number, length: number): NativeHandle | number
  disown(handle: NativeHandle): number
  ownMarked(marks: Uint8Array): number
  map(
    address: number,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): [ArrayBuffer, NativeHandle] | number
  detach(handle: NativeHandle, buffer: ArrayBuffer): number
  unmap(handle: NativeHandle, buffer: ArrayBuffer): number
  /** Enters the ring whose address stands in `chosen`; it speaks through the control words that ring was made with. */
  enter(): void
  /** A float64. */
  readonly chosen: ArrayBuffer
  /** @param kept lives until the ring is closed, also where the ring is forgotten */
  ring(control: ArrayBufferView, queues: Float64Array, kept: object): NativeRing | number
  watch(fd: number, callback: (events: number) => unknown): NativeHandle | number
  watchStart(handle: NativeHandle, events: number): number
  watchStop(handle: NativeHandle): void
  watchRef(handle: NativeHandle): void
  watchUnref(handle: NativeHandle): void
  watchClose(handle: NativeHandle): void
  lendFile(words: Float64Array): void
  passOn(words: Float64Array): void
  pool(
    threads: number,
    capacity: number,
    jobs: ArrayBufferView,
    completions: ArrayBufferView,
    control: ArrayBufferView,
    eventfd: number,
  ): NativeHandle | number
  poolSubmit(handle: NativeHandle, count: number): void
  poolInterrupt(handle: NativeHandle, mark: number): boolean
  poolClose(handle: NativeHandle): void
  run(jobs: ArrayBufferView, count: number): void
  crc32c(view: Uint8Array | Uint32Array, seed: number): number
  crc32cRows(view: Uint8Array, rows: Uint32Array, count: number, store: boolean): number
}

const FIX: Record<string, string> = {
  MODULE_NOT_FOUND: 'reinstall the package, or run "npm run build" in a checkout (it needs a C compiler)',
  ERR_DLOPEN_FAILED:
    'the binary does not fit this system; run "npm run build" in a checkout to build it here',
}

let loaded: Native | SluiceError | undefined

function binaryPath(): string {
  return (
    process.env.SLUICE_NATIVE ??
    fileURLToPath(new URL(`../../prebuilds/${process.platform}-${process.arch}/sluice.node`, import.meta.url))
  )
}

/** A binary that lacks what this version calls would fail at some call or other. */
function foreign(path: string, binary: Native, version: string): string {
  const found = binary.version === undefined ? 'an unknown version' : `version ${binary.version}`
  return `The native binary ${path} cannot be loaded: it is of ${found}, and this is ${version}; ${FIX.MODULE_NOT_FOUND}`
}

function load(): Native | SluiceError {
  if (process.platform !== 'linux') {
    return new SluiceError('ERR_SLUICE_UNSUPPORTED', `Sluice needs Linux; this is ${process.platform}`)
  }
  const path = binaryPath()
  const require = createRequire(import.meta.url)
  try {
    const binary = require(path) as Native
    const { version } = require('../../package.json') as { version: string }
    return binary.version === version
      ? binary
      : new SluiceError('ERR_SLUICE_NATIVE', foreign(path, binary, version))
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    const fix = FIX[code] ?? 'see the cause'
    return new SluiceError('ERR_SLUICE_NATIVE', `The native binary ${path} cannot be loaded: ${fix}`, {
      cause,
    })
  }
}

/**
 * The addon, loaded at first use, once for each thread.
 *
 * @throws SluiceError `ERR_SLUICE_NATIVE` where the binary is missing or does not load, with the fix in its
 *   message; `ERR_SLUICE_UNSUPPORTED` on another system than Linux
 */
export function native(): Native {
  loaded ??= load()
  if (loaded instanceof Error) throw loaded
  return loaded
}

/** Whether this system can run Sluice at all: Linux, with a native binary that loads. */
export function isSupported(): boolean {
  loaded ??= load()
  return !(loaded instanceof Error)
}
