/** How Node's errors of arguments name an option, and what they then say of it. */
const NAMED =
  /^The (?:property |value of )?['"]options\.([\w.]+)((?:\[.*\]|[^'"[\]])*)['"] (?:property )?(.*)$/s

/** What is wrong with an option. */
export interface OptionFault {
  /** The option, and perhaps parts of it: `headers.Date`. */
  name: string
  /** Which of several it is, as a message shows it: `['/old']`. */
  which: string
  /** A sentence without its beginning. */
  what: string
}

/** @returns undefined for an error of something else */
export function optionFault(error: Error): OptionFault | undefined {
  const [, name, which, what] = NAMED.exec(error.message) ?? []
  const { code = '' } = error as NodeJS.ErrnoException
  if (!/^ERR_(?:INVALID_ARG|OUT_OF_RANGE)/.test(code)) return undefined
  if (name === undefined || which === undefined || what === undefined) return undefined
  return { name, which, what }
}
