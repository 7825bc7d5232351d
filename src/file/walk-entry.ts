import type { Stats } from 'node:fs'
import { DT } from '../kernel/index.js'

/** A folder on the way. */
export interface WalkFolder {
  /** Its path as text. */
  readonly path: string
  /** Its path as the file system has it, where the text cannot tell. */
  readonly bytes: Buffer | undefined
  /** Folders between the root of the walk and what is in it. */
  readonly depth: number
}

function joined(folder: WalkFolder, name: string): string {
  return folder.path.endsWith('/') ? folder.path + name : `${folder.path}/${name}`
}

/** Something that `walk()` has found; it answers as `fs.Dirent` does. */
export class WalkEntry {
  /** Its name. Bytes that are no UTF-8 show as U+FFFD; `bytes` has them all. */
  readonly name: string
  /** What lstat(2) says of it, where `stats` was asked for; the error where it could not be asked. */
  readonly stats: Stats | Error | undefined
  readonly #folder: WalkFolder
  readonly #nameBytes: Buffer | undefined
  readonly #type: number

  /** Only `walk()` makes them. */
  constructor(
    folder: WalkFolder,
    name: string,
    nameBytes: Buffer | undefined,
    type: number,
    stats: Stats | Error | undefined,
  ) {
    this.name = name
    this.stats = stats
    this.#folder = folder
    this.#nameBytes = nameBytes
    this.#type = type
  }

  /** The path of the folder it is in: `root`, and what leads there from it. */
  get parentPath(): string {
    return this.#folder.path
  }
  /** Folders between `root` and it: 0 for what is in `root` itself. */
  get depth(): number {
    return this.#folder.depth
  }
  /** Its path. */
  get path(): string {
    return joined(this.#folder, this.name)
  }
  /** Its path as the file system has it. */
  get bytes(): Buffer {
    return this.exactBytes ?? Buffer.from(this.path)
  }
  /** Its path as the file system has it, where the text cannot tell. */
  get exactBytes(): Buffer | undefined {
    const { path, bytes } = this.#folder
    if (bytes === undefined && this.#nameBytes === undefined) return undefined
    const slash = path.endsWith('/') ? '' : '/'
    return Buffer.concat([
      bytes ?? Buffer.from(path),
      Buffer.from(slash),
      this.#nameBytes ?? Buffer.from(this.name),
    ])
  }
  isFile(): boolean {
    return this.#type === DT.REG
  }
  isDirectory(): boolean {
    return this.#type === DT.DIR
  }
  isSymbolicLink(): boolean {
    return this.#type === DT.LNK
  }
  isFIFO(): boolean {
    return this.#type === DT.FIFO
  }
  isSocket(): boolean {
    return this.#type === DT.SOCK
  }
  isBlockDevice(): boolean {
    return this.#type === DT.BLK
  }
  isCharacterDevice(): boolean {
    return this.#type === DT.CHR
  }
}
