import { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import { Writable } from 'node:stream'
import { Endpoint, goneError } from './endpoint.js'

/** Whether somebody has replaced how a response is written to, as middleware does that compresses. */
export function isWrapped(response: ServerResponse | Http2ServerResponse): boolean {
  if (response instanceof ServerResponse) return response.write !== ServerResponse.prototype.write
  return Object.hasOwn(response, 'write')
}

/**
 * Writes to a response that is wrapped. Its bytes go by way of whoever has wrapped it, who may forget callbacks: `drain` alone tells
 * that it takes more. Destroyed when the response closes.
 */
export function wrappedWriter(response: Writable): { writable: Writable; release(): void } {
  let taken: (() => void) | undefined
  const onDrain = () => {
    const done = taken
    taken = undefined
    done?.()
  }
  const writable = new Writable({
    // Nothing stays here: what is written is with the response at once.
    highWaterMark: 1,
    write(chunk, _encoding, done) {
      if (response.write(chunk) === false) taken = done
      else done()
    },
  })
  const onClose = () => writable.destroy()
  const onError = (error: Error) => writable.destroy(error)
  // What `on()` returns may be somebody else's, too.
  response.on('drain', onDrain)
  response.on('close', onClose)
  response.on('error', onError)
  return {
    writable,
    release() {
      response.off('drain', onDrain)
      response.off('close', onClose)
      response.off('error', onError)
    },
  }
}

/** Borrows a response that is wrapped. */
export function asWrapped(response: ServerResponse): Endpoint {
  const { writable, release } = wrappedWriter(response)
  const closed = new AbortController()
  const onClose = () => closed.abort()
  response.once('close', onClose)
  return new Endpoint(-1, {
    writable,
    gone: closed.signal,
    check() {
      if (response.destroyed || response.writableEnded) throw goneError(response, 'response')
    },
    release() {
      response.off('close', onClose)
      release()
    },
  })
}
