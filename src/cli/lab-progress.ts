import type { LabProgress } from '../lab/index.js'
import type { Terminal } from './terminal.js'

const BAR = 24
const TO_LINE_START = '\r'
const ERASE_LINE = '\x1b[2K'

/** A bar on the terminal that shows how far the lab is; silent where standard error is no terminal. */
export class ProgressBar {
  readonly #terminal: Terminal
  readonly #shown: boolean

  constructor(terminal: Terminal, shown = process.stderr.isTTY === true) {
    this.#terminal = terminal
    this.#shown = shown
  }

  /** Draws it anew. */
  show({ done, total, elapsedMs, row }: LabProgress): void {
    if (!this.#shown) return
    const full = Math.round((BAR * done) / Math.max(1, total))
    const bar = `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`
    const text = `${bar} ${done}/${total}  ${Math.round(elapsedMs / 1000)} s  ${row}`
    this.#terminal.note(`${TO_LINE_START}${ERASE_LINE}${text.slice(0, this.#terminal.columns - 1)}`)
  }

  /** Takes it away. */
  clear(): void {
    if (this.#shown) this.#terminal.note(`${TO_LINE_START}${ERASE_LINE}`)
  }
}
