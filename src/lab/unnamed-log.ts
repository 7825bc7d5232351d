import { existsSync, lstatSync, mkdtempSync, readlinkSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AppendLog } from '../file/index.js'
import { MIB } from './sizes.js'

/** Of a log: more than the device takes in most laps. */
const LOG_BYTES = 64 * MIB
/** What the log adds to a record at most, and the beginning of its file. */
const FRAME_BYTES = 64

/**
 * An append log beside a file, in a folder that has lost its name: whatever ends the lab, nothing is left behind. It has a
 * single segment, since without a name there can be no second; when that is full, another log takes its place.
 */
export class UnnamedLog {
  readonly #folder: string
  #log: AppendLog
  #left = LOG_BYTES
  #renewal: Promise<void> | undefined

  private constructor(folder: string, log: AppendLog) {
    this.#folder = folder
    this.#log = log
  }

  /** @param path leads to the file */
  static async beside(path: string): Promise<UnnamedLog> {
    const folder = folderOf(path)
    return new UnnamedLog(folder, await openUnnamed(folder))
  }

  /** Appends a record, and waits until it is durable. */
  async append(record: Uint8Array): Promise<void> {
    const bytes = record.length + FRAME_BYTES
    while (this.#left < bytes + FRAME_BYTES) {
      this.#renewal ??= this.#renew()
      await this.#renewal
    }
    this.#left -= bytes
    await this.#log.append(record)
  }

  async #renew(): Promise<void> {
    await this.#log.close()
    this.#log = await openUnnamed(this.#folder)
    this.#left = LOG_BYTES
    this.#renewal = undefined
  }

  async close(): Promise<void> {
    await this.#log.close()
  }
}

async function openUnnamed(folder: string): Promise<AppendLog> {
  const directory = mkdtempSync(join(folder, '.sluice-lab-'))
  try {
    const log = await AppendLog.open(directory, { segmentBytes: LOG_BYTES })
    // Its first record has it make what else it needs.
    await log.append(new Uint8Array(1))
    return log
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The folder of a file that may have lost its name, and its folder with it: then the next one up. */
function folderOf(path: string): string {
  let folder = dirname(lstatSync(path).isSymbolicLink() ? readlinkSync(path) : path)
  while (!existsSync(folder)) folder = dirname(folder)
  return folder
}
