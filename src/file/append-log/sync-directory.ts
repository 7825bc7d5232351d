import { mkdir, open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Makes the names in a directory durable. @see fsync(2) */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Makes a directory and those above it, durably, where they are not there. @param path absolute */
export async function makeDirectory(path: string): Promise<void> {
  const created = await mkdir(path, { recursive: true })
  if (created === undefined) return
  const above = dirname(resolve(created))
  let parent = dirname(path)
  await syncDirectory(parent)
  while (parent !== above && parent !== dirname(parent)) {
    parent = dirname(parent)
    await syncDirectory(parent)
  }
}
