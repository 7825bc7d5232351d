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
  return false
}

/** What fails a file, not its client, though the response ends with it. */
const OF_FILE = new Set(['ERR_SLUICE_SHORT', 'EIO', 'ENODATA', 'ENXIO', 'EREMOTEIO', 'ESTALE', 'EUCLEAN'])

/** Whether a response failed since its client has gone. */
export function isClientGone(response: NodeResponse, error: unknown): boolean {
  const isOver =
    'stream' in response ? response.stream.destroyed : response.destroyed || response.req.destroyed
  return isOver && !OF_FILE.has((error as NodeJS.ErrnoException).code ?? '')
}
