import { ServerResponse } from 'node:http'
import { Writable } from 'node:stream'
import { Endpoint, goneError } from './endpoint.js'

/** Whether somebody has replaced how a response is written to, as middleware does that compresses. */
export function isWrapped(response: ServerResponse): boolean {
  return response.write !== ServerResponse.prototype.write
}

/**
 * A response that is wrapped. Its bytes go by way of whoever has wrapped it, who may forget callbacks: `drain` alone tells that it
 * takes more.
 */
export function asWrapped(response: ServerResponse): Endpoint {
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
  const closed = new AbortController()
  const onClose = () => {
    closed.abort()
    writable.destroy()
  }
  const onError = (error: Error) => writable.destroy(error)
  response.on('drain', onDrain).on('close', onClose).on('error', onError)
  return new Endpoint(-1, {
    writable,
    gone: closed.signal,
    check() {
      if (response.destroyed || response.writableEnded) throw goneError(response, 'response')
    },
    release() {
      response.off('drain', onDrain).off('close', onClose).off('error', onError)
    },
  })
}
