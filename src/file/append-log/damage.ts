import { SluiceError } from '../../kernel/index.js'

/** What `ERR_SLUICE_LOG_DAMAGED` tells besides its code. */
export interface LogDamage {
  path: string
  /** Of the first record that is not intact. */
  position: number
  /** Where the next intact record begins; undefined where none does in this segment. */
  resumes: number | undefined
}

/** Records that were on stable storage are not intact. @param resumes -1 for nowhere */
export function damage(path: string, position: number, resumes: number): SluiceError & LogDamage {
  const next =
    resumes < 0 ? 'no intact record follows in its segment' : `the next intact record is at ${resumes}`
  const error = new SluiceError(
    'ERR_SLUICE_LOG_DAMAGED',
    `${path} is damaged at position ${position}; ${next}`,
  )
  return Object.assign(error, { path, position, resumes: resumes < 0 ? undefined : resumes })
}
