import { promisify } from 'node:util'
import * as zlib from 'node:zlib'
import { chooseEncoding, ENCODINGS, type Encoding } from './accept-encoding.js'
import type { StaticFile } from './static-file.js'

/** Files that are compressed at once, each on a thread of libuv's pool. */
const AT_ONCE = 2
/** Files that may wait for that; beyond, a client gets the plain file. */
const WAITING = 64
/** What does not get smaller by a twentieth is not worth its decoding. */
const WORTH = 0.95

type Compress = (bytes: Buffer) => Promise<Buffer>

const brotli = promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)
const gzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip)
const BROTLI = {
  params: {
    [zlib.constants.BROTLI_PARAM_QUALITY]: 5,
    [zlib.constants.BROTLI_PARAM_MODE]: zlib.constants.BROTLI_MODE_TEXT,
  },
}

/** Of Node 22.15 and later. */
const { zstdCompress } = zlib as { zstdCompress?: (bytes: Buffer, done: zlib.CompressCallback) => void }

const COMPRESS: Readonly<Partial<Record<Encoding, Compress>>> = {
  br: bytes => brotli(bytes, BROTLI),
  gzip: bytes => gzip(bytes, { level: 6 }),
  ...(zstdCompress === undefined ? {} : { zstd: promisify<Buffer, Buffer>(zstdCompress) }),
}

/** Codings that can be made here. */
const AVAILABLE = ENCODINGS.filter(encoding => COMPRESS[encoding] !== undefined)

/** Which files are compressed, and how much of it is kept. */
export interface CompressorSettings {
  /** Bytes of a file that are worth it, least and most. */
  minBytes: number
  maxBytes: number
  /** Bytes of compressed files that are kept. */
  cacheBytes: number
}

/**
 * Compresses files when they are asked for, beside the event loop, and keeps what it has made: bounded in bytes, the least
 * recently used going first. A file that is being compressed is waited for by all who ask for it.
 */
export class Compressor {
  readonly #settings: CompressorSettings
  /** Undefined for a file that does not get smaller. */
  readonly #made = new Map<string, Buffer | undefined>()
  readonly #making = new Map<string, Promise<Buffer | undefined>>()
  readonly #waiting: (() => void)[] = []
  #running = 0
  #bytes = 0

  constructor(settings: CompressorSettings) {
    this.#settings = settings
  }

  /** Compressed files that are kept, and their bytes. */
  stats(): { files: number; bytes: number } {
    return { files: this.#made.size, bytes: this.#bytes }
  }

  /** The coding that suits an `Accept-Encoding`; undefined for none. */
  choose(acceptEncoding: string | undefined): Encoding | undefined {
    const encoding = chooseEncoding(acceptEncoding, AVAILABLE)
    return encoding === 'identity' ? undefined : encoding
  }

  /** @returns the file in that coding; undefined where it is better sent as it is */
  get(file: StaticFile, encoding: Encoding): Buffer | undefined | Promise<Buffer | undefined> {
    const key = `${file.device}:${file.inode}:${file.etag}:${file.changed}:${encoding}`
    if (this.#made.has(key)) {
      const made = this.#made.get(key)
      this.#made.delete(key)
      this.#made.set(key, made)
      return made
    }
    const underWay = this.#making.get(key)
    if (underWay !== undefined) return underWay
    if (this.#waiting.length >= WAITING) return undefined
    const making = this.#make(file.retain(), encoding, key).finally(() => {
      this.#making.delete(key)
      file.release()
    })
    this.#making.set(key, making)
    return making
  }

  async #make(file: StaticFile, encoding: Encoding, key: string): Promise<Buffer | undefined> {
    if (this.#running >= AT_ONCE) await new Promise<void>(resolve => this.#waiting.push(resolve))
    else this.#running++
    try {
      const plain = await file.read(0, file.size)
      // It got shorter: what is sent plainly says so.
      if (plain.length < file.size) return undefined
      const coded = await (COMPRESS[encoding] as Compress)(plain)
      const worth = coded.length < plain.length * WORTH ? coded : undefined
      this.#keep(key, worth)
      return worth
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  #keep(key: string, made: Buffer | undefined): void {
    this.#made.set(key, made)
    this.#bytes += sizeOf(made)
    for (const [oldest, bytes] of this.#made) {
      if (this.#bytes <= this.#settings.cacheBytes) return
      this.#made.delete(oldest)
      this.#bytes -= sizeOf(bytes)
    }
  }
}

/** What keeping it takes, at least its place. */
function sizeOf(made: Buffer | undefined): number {
  return (made?.length ?? 0) + 128
}
