import { type FSWatcher, watch } from 'node:fs'
import type { LogEngine } from './log-file.js'
import type { LogSource } from './log-reader.js'
import { listSegments } from './segment-list.js'

/** A log that somebody else may be writing: its files are all that is known of it. */
export class DirectorySource implements LogSource {
  readonly directory: string
  readonly engine: () => LogEngine
  readonly limit = Number.POSITIVE_INFINITY
  #watcher: FSWatcher | undefined
  #stirred = false
  #failure: Error | undefined
  #wake = () => {}

  /** @param follow whether `changed()` will be asked */
  constructor(engine: () => LogEngine, directory: string, follow: boolean) {
    this.engine = engine
    this.directory = directory
    if (!follow) return
    // Before the first read, so that nothing is written unseen between a read and the wait for more.
    this.#watcher = watch(directory, () => this.#stir())
    this.#watcher.on('error', error => {
      this.#failure = error
      this.#stir()
    })
  }

  #stir(): void {
    this.#stirred = true
    this.#wake()
  }

  bases(): Promise<readonly number[]> {
    return listSegments(this.directory)
  }

  async changed(signal: AbortSignal | undefined): Promise<boolean> {
    const wake = () => this.#wake()
    signal?.addEventListener('abort', wake, { once: true })
    while (!this.#stirred && signal?.aborted !== true) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    signal?.removeEventListener('abort', wake)
    this.#stirred = false
    if (this.#failure !== undefined) throw this.#failure
    return true
  }

  /** Ends the watch. */
  close(): void {
    this.#watcher?.close()
  }
}
