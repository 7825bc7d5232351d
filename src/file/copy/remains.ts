import { chmod, readdir, rm } from 'node:fs/promises'
import { joinPath } from './name.js'

/** What keeps the owner of a folder from removing what is in it. */
const DENIED: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM'])

/** Removes a copy that is not to stay, also where the copy of a folder may not be written to any more. */
export async function removeTree(path: Uint8Array): Promise<void> {
  const options = { recursive: true, force: true } as const
  try {
    await rm(path as Buffer, options)
  } catch (error) {
    if (!DENIED.has((error as NodeJS.ErrnoException).code)) throw error
    await makeWritable(path)
    await rm(path as Buffer, options)
  }
}

async function makeWritable(folder: Uint8Array): Promise<void> {
  await chmod(folder as Buffer, 0o700)
  for (const entry of await readdir(folder as Buffer, { withFileTypes: true, encoding: 'buffer' })) {
    if (entry.isDirectory()) await makeWritable(joinPath(folder, entry.name))
  }
}
