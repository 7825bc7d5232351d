import { readFileSync } from 'node:fs'

/** A small file of /proc or /sys, trimmed; undefined where it is not there or not for us to read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/\0+$/, '').trim()
  } catch {
    // Absent on this kernel, hidden by the sandbox, or root's: all mean that it says nothing.
    return undefined
  }
}

/** A file that holds one number; undefined where there is none. */
export function readNumber(path: string): number | undefined {
  const text = readText(path)
  return text === undefined || !/^-?\d+$/.test(text) ? undefined : Number(text)
}

/** A setting below /proc/sys by its dotted name. */
export function sysctl(name: string): number | undefined {
  return readNumber(`/proc/sys/${name.replaceAll('.', '/')}`)
}

/** A field of /proc/self/status, as it stands there. */
export function statusField(name: string): string | undefined {
  const status = readText('/proc/self/status') ?? ''
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]
}
