/** Something to be done by a worker. */
export type Task<W> = (worker: W) => Promise<void>

/**
 * Workers that get through tasks which beget tasks.
 *
 * Each has a stack: what a task begets is done next, by the same worker, so that few folders are open at a time and the
 * stacks stay short. Who has nothing left takes the oldest task of another, which is the largest piece, and most likely of
 * another folder: two that make files in one folder would wait for each other.
 */
export class Crew<W> {
  readonly #workers: readonly W[]
  readonly #stacks = new Map<W, Task<W>[]>()
  #active = 0
  #idle: (() => void)[] = []
  #failure: unknown

  constructor(workers: readonly W[]) {
    this.#workers = workers
    for (const worker of workers) this.#stacks.set(worker, [])
  }

  /** Adds a task. @param worker who begets it */
  push(task: Task<W>, worker: W = this.#workers[0]): void {
    this.#stacks.get(worker)?.push(task)
    this.#idle.pop()?.()
  }

  /** Does all there is. @throws what the first task to fail threw; then nothing more is begun */
  async run(): Promise<void> {
    await Promise.all(this.#workers.map(worker => this.#work(worker)))
    if (this.#failure !== undefined) throw this.#failure
  }

  async #work(worker: W): Promise<void> {
    while (this.#failure === undefined) {
      const task = this.#take(worker)
      if (task !== undefined) {
        this.#active++
        try {
          await task(worker)
        } catch (error) {
          this.#failure ??= error
        }
        this.#active--
      } else if (this.#active > 0) {
        await new Promise<void>(resolve => this.#idle.push(resolve))
      } else break
    }
    for (const wake of this.#idle.splice(0)) wake()
  }

  #take(worker: W): Task<W> | undefined {
    const own = this.#stacks.get(worker)?.pop()
    if (own !== undefined) return own
    const [longest] = [...this.#stacks.values()].sort((one, other) => other.length - one.length)
    return longest?.shift()
  }
}
