import { styleText } from 'node:util'

/** Where a verb writes to, and how wide and colourful that may be. */
export interface Terminal {
  /** Columns of a line; a hundred where it is no terminal, and never more. */
  readonly columns: number
  /** Somebody watches: progress is shown and colours are used. */
  readonly isTerminal: boolean
  /** Results. */
  write(text: string): void
  /** What is not a result: progress, warnings, errors. */
  note(text: string): void
  /** Text in a style where colours are used, as it is elsewhere. */
  paint(style: Style, text: string): string
}

/** Styles of util.styleText() that the verbs use. */
export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'

const WIDEST = 100
const NARROWEST = 40

/**
 * This process's standard streams.
 *
 * A reader that goes away (`sluice probe | head`) ends the process quietly, as it does for any filter.
 */
export function standardTerminal(): Terminal {
  const { stdout, stderr } = process
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(process.exitCode ?? 0)
  })
  // hasColors() minds NO_COLOR, FORCE_COLOR and TERM.
  const coloured = stdout.isTTY === true && stdout.hasColors()
  return {
    columns: Math.max(NARROWEST, Math.min(stdout.columns ?? WIDEST, WIDEST)),
    isTerminal: stdout.isTTY === true,
    write: text => void stdout.write(text),
    note: text => void stderr.write(text),
    paint: (style, text) => (coloured ? styleText(style, text) : text),
  }
}
