import { type ReadableByteStreamController, ReadableStream, type UnderlyingByteSource } from 'node:stream/web'
import { checkObject } from '../kernel/index.js'
import { checkBoolean } from './arguments.js'
import type { StreamSource } from './node-streams.js'
import type { ReadResult } from './read.js'

/** Bytes of the chunks for a reader that brings no buffer. */
const CHUNK = 65536

/** What `readableWebStream()` is told. */
export interface WebStreamOptions {
  /** Closes the handle when the stream ends; false by default. */
  autoClose?: boolean | undefined
}

/** A byte stream from the file's position on. Each chunk is read straight into the reader's buffer. */
export function readableWebStream(
  source: StreamSource,
  options: WebStreamOptions = {},
): ReadableStream<Uint8Array> {
  checkObject(options)
  const { autoClose = false } = options
  checkBoolean(autoClose, 'options.autoClose')
  let over = false
  const end = async () => {
    if (over) return
    over = true
    source.release()
    if (autoClose) await source.close()
  }
  let controller: ReadableByteStreamController | undefined
  const underlying: UnderlyingByteSource = {
    type: 'bytes',
    autoAllocateChunkSize: CHUNK,
    start(given) {
      controller = given
    },
    async pull({ byobRequest }) {
      const view = byobRequest?.view as Uint8Array
      try {
        const { bytesRead } = (await source.read(view, 0, view.byteLength, null)) as ReadResult<unknown>
        if (over) return
        if (bytesRead === 0) {
          controller?.close()
          await end()
        }
        byobRequest?.respond(bytesRead)
      } catch (error) {
        // The stream has failed: nobody will read the file through it any more. Why it has is what its reader has to
        // know, not that the file could not be closed on top of it.
        await end().catch(() => {})
        throw error
      }
    },
    cancel: end,
  }
  const stream = new ReadableStream(underlying)
  source.hold()
  source.onClose(() => {
    if (over) return
    // A reader that is waiting learns that there is no more.
    if (!stream.locked) stream.cancel().catch(() => {})
    else closeQuietly(controller)
    end().catch(() => {})
  })
  return stream
}

/** A reader that has got a part of an element only makes the stream fail here, and is told. */
function closeQuietly(controller: ReadableByteStreamController | undefined): void {
  try {
    controller?.close()
  } catch {
    // It has ended all the same, and this is nobody's mistake who closes the file.
  }
}
