import { fstatSync } from 'node:fs'
import { isatty } from 'node:tty'
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
 * A reader that goes away (`sluice probe | head`) ends the process quietly, as it does for any filter; one of notes ends
 * nothing.
 */
export function standardTerminal(): StandardTerminal {
  return new StandardTerminal()
}

/** The terminal that a process has been given. */
export class StandardTerminal implements Terminal {
  #stdout: NodeJS.WriteStream | undefined
  #stderr: NodeJS.WriteStream | undefined
  #unwritten = 0
  readonly #written = () => {
    this.#unwritten--
  }

  /** Nothing waits to be written. */
  get isWritten(): boolean {
    return this.#unwritten === 0
  }

  /** Made when something is written: Node takes as long for it as for a small copy. */
  get #out(): NodeJS.WriteStream {
    if (this.#stdout === undefined) {
      this.#stdout = process.stdout
      this.#stdout.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
        this.note(`sluice: standard output cannot be written: ${error.message}\n`)
        process.exit(1)
      })
    }
    return this.#stdout
  }

  get #err(): NodeJS.WriteStream {
    if (this.#stderr === undefined) {
      this.#stderr = process.stderr
      // There is nobody left to be told, and what runs goes on: a server outlives whoever collects its notes.
      this.#stderr.on('error', () => {})
    }
    return this.#stderr
  }

  get columns(): number {
    return Math.max(NARROWEST, Math.min(this.#out.columns ?? WIDEST, WIDEST))
  }

  get isTerminal(): boolean {
    return mayBeTerminal(1) && this.#out.isTTY === true
  }

  write(text: string): void {
    this.#unwritten++
    this.#out.write(text, this.#written)
  }

  note(text: string): void {
    this.#unwritten++
    this.#err.write(text, this.#written)
  }

  paint(style: Style, text: string): string {
    // hasColors() minds NO_COLOR, FORCE_COLOR and TERM.
    return this.isTerminal && this.#out.hasColors() ? styleText(style, text) : text
  }
}

/** Whether somebody sees what goes to standard error as it comes. */
export function showsNotes(): boolean {
  return mayBeTerminal(2) && process.stderr.isTTY === true
}

/** Whether any of the standard streams is a terminal. One that has gone away (a hangup) is none any more. */
export function isOnTerminal(): boolean {
  return [0, 1, 2].some(fd => isatty(fd))
}

/** A terminal is a character device; to ask that of the descriptor costs next to nothing. */
function mayBeTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice()
  } catch {
    return false // It is closed.
  }
}
