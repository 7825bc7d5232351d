import { SluiceError } from '../kernel/index.js'

/** A write is refused at the bound. @param queued bytes that wait */
export function full(queued: number): SluiceError {
  return new SluiceError('ERR_SLUICE_QUEUE_FULL', `${queued} bytes wait to be sent`)
}

/** A write is refused since somebody else sends. */
export function busy(): SluiceError {
  return new SluiceError('ERR_SLUICE_BUSY', 'The descriptor is lent to somebody who writes to it')
}
