import type { NodeResponse } from './node-answer.js'

/**
 * Closes a stream of HTTP/2 as soon as its client calls it off. Node leaves one open that was called off without an error
 * (RST_STREAM, NO_ERROR), and what is written to it would wait for ever.
 *
 * @returns whether it has been called off already
 */
export function closeWhenCalledOff(response: NodeResponse): boolean {
  if (!('stream' in response)) return false
  const { stream } = response
  if (stream.aborted || stream.destroyed) {
    stream.destroy()
    return true
  }
  stream.once('aborted', () => stream.destroy())
  // Where the response has been handed over whole, nothing but the end of the request tells of it.
  stream.once('end', () => {
    if (stream.closed) stream.destroy()
  })
  return false
}

/**
 * What a connection or a stream fails with that ends before its response: by its client, by the way there, or by what the
 * client says. Whatever else fails a response is ours, or the file's, though the response is destroyed for it.
 */
const OF_CONNECTION = new RegExp(
  `^(?:${[
    'EPIPE|ECONNRESET|ENOTCONN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPROTO',
    'ERR_SLUICE_CLOSED|ERR_HTTP_REQUEST_TIMEOUT|HPE_.*|ERR_SSL_.*',
    'ERR_STREAM_(?:PREMATURE_CLOSE|DESTROYED|WRITE_AFTER_END)',
    'ERR_HTTP2_(?:STREAM_ERROR|STREAM_CANCEL|INVALID_STREAM|SESSION_ERROR|GOAWAY_SESSION)',
  ].join('|')})$`,
)

/** Whether a response failed since its client has gone. */
export function isClientGone(response: NodeResponse, error: unknown): boolean {
  const isOver =
    'stream' in response ? response.stream.destroyed : response.destroyed || response.req.destroyed
  return isOver && OF_CONNECTION.test((error as NodeJS.ErrnoException).code ?? '')
}
