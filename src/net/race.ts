/** How long an attempt is waited for before the next begins beside it (RFC 8305). */
const HEAD_START_MS = 250

/**
 * Makes attempts until one succeeds: each begins when the one before has failed, or has not settled for a quarter of a
 * second. The others are then ended.
 *
 * @param end ends them all, with its reason
 * @param discard takes what an attempt gives that is no longer wanted
 * @returns what the first to succeed gave; rejects with its failure where there was one attempt, else with an
 *   `AggregateError` that has the first one's `code`. Every attempt has settled by then
 */
export async function firstToSucceed<T>(
  attempts: readonly ((end: AbortSignal) => Promise<T>)[],
  end: AbortSignal,
  discard: (value: T) => void,
): Promise<T> {
  const over = new AbortController()
  const endAll = () => over.abort(end.reason)
  if (end.aborted) throw end.reason
  end.addEventListener('abort', endAll, { once: true })
  try {
    return await new Race(attempts, over, discard).run()
  } catch (error) {
    throw end.aborted ? end.reason : error
  } finally {
    end.removeEventListener('abort', endAll)
  }
}

class Race<T> {
  readonly #attempts: readonly ((end: AbortSignal) => Promise<T>)[]
  readonly #over: AbortController
  readonly #discard: (value: T) => void
  readonly #errors: Error[] = []
  #begun = 0
  #running = 0
  #won: { value: T } | undefined
  #timer: NodeJS.Timeout | undefined
  #settle: () => void = () => {}

  constructor(
    attempts: readonly ((end: AbortSignal) => Promise<T>)[],
    over: AbortController,
    discard: (value: T) => void,
  ) {
    this.#attempts = attempts
    this.#over = over
    this.#discard = discard
  }

  async run(): Promise<T> {
    await new Promise<void>(resolve => {
      this.#settle = resolve
      this.#next()
    })
    if (this.#won !== undefined) return this.#won.value
    const [first] = this.#errors
    if (this.#errors.length < 2) throw first
    throw Object.assign(new AggregateError(this.#errors, first.message), {
      code: (first as NodeJS.ErrnoException).code,
    })
  }

  #next(): void {
    clearTimeout(this.#timer)
    const attempt = this.#attempts[this.#begun++]
    this.#running++
    attempt(this.#over.signal).then(
      value => this.#succeeded(value),
      error => this.#failed(error),
    )
    if (this.#begun < this.#attempts.length) this.#timer = setTimeout(() => this.#next(), HEAD_START_MS)
  }

  #succeeded(value: T): void {
    if (this.#won === undefined) this.#won = { value }
    else this.#discard(value)
    clearTimeout(this.#timer)
    this.#over.abort()
    this.#ended()
  }

  #failed(error: Error): void {
    this.#errors.push(error)
    if (this.#won === undefined && !this.#over.signal.aborted && this.#begun < this.#attempts.length)
      this.#next()
    this.#ended()
  }

  #ended(): void {
    this.#running--
    if (this.#over.signal.aborted) clearTimeout(this.#timer)
    if (this.#running === 0) this.#settle()
  }
}
