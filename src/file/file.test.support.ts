import { mkdtempSync, rmSync } from 'node:fs'
import { type FileHandle as NodeFileHandle, open as openNode } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { inspect } from 'node:util'
import { type FileHandle, open } from './index.js'

/** A folder for this test file's scratch files, removed when its tests are over. */
export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-file-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Comparisons with Node in which the oldest release that we support is at fault, and how. */
export const NODE_FAULTS: Readonly<Record<string, string>> = process.version.startsWith('v20.19.')
  ? {
      'no vectors': 'this Node lets the failure of reading nothing go unhandled',
      'readFile in an unknown encoding': 'this Node takes the encoding for its argument’s name',
    }
  : {}

/** Bytes that differ from place to place, so that a shift shows. */
export function patternBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed >>> 0 || 1
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[index] = state >>> 24
  }
  return bytes
}

/** What both Node's handle and ours can be asked. */
export type EitherHandle = NodeFileHandle & FileHandle

/** What came of a call, in a form that can be compared and shown. */
export async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return { value: plain(await call()) }
  } catch (error) {
    const { name, message, code, errno, syscall, path, cause } = error as NodeJS.ErrnoException
    return { error: { name, message, code, errno, syscall, path, cause } }
  }
}

/** Node's results have no prototype, and its stats another; compared is what they hold. */
function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]))
}

/** The same file opened by Node and by us; both are closed afterwards. */
export async function withBoth<T>(
  paths: readonly [string, string],
  flags: string,
  body: (node: EitherHandle, ours: EitherHandle) => Promise<T>,
): Promise<T> {
  const node = await openNode(paths[0], flags)
  const ours = await open(paths[1], flags)
  try {
    return await body(node as EitherHandle, ours as unknown as EitherHandle)
  } finally {
    await Promise.all([node.close(), ours.close()])
  }
}

/** For messages of assertions. */
export function show(value: unknown): string {
  return inspect(value, { depth: 4, maxArrayLength: 8, maxStringLength: 80 })
}
