/** Something in an initramfs: a folder, or a file that may be run. */
export interface InitramfsEntry {
  path: string
  /** Without, it is a folder. */
  contents?: Uint8Array
}

const MODE = { folder: 0o40755, file: 0o100755 } as const
const MAGIC = '070701'

function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}

function pack(inode: number, path: string, mode: number, contents: Uint8Array): Buffer {
  const name = Buffer.from(`${path}\0`)
  // Inode, mode, owner, group, links, time, size, four device numbers, length of the name, check sum.
  const fields = [inode, mode, 0, 0, 1, 0, contents.length, 0, 0, 0, 0, name.length, 0]
  const head = MAGIC + fields.map(field => field.toString(16).padStart(8, '0')).join('')
  return Buffer.concat([padded(Buffer.concat([Buffer.from(head), name])), padded(contents)])
}

/** An archive that the kernel unpacks into its first file system. @see initramfs buffer format, in the kernel's documents */
export function initramfs(entries: readonly InitramfsEntry[]): Buffer {
  const none = new Uint8Array(0)
  const packed = entries.map(({ path, contents }, index) =>
    pack(index + 1, path, contents === undefined ? MODE.folder : MODE.file, contents ?? none),
  )
  return Buffer.concat([...packed, pack(0, 'TRAILER!!!', 0, none)])
}
