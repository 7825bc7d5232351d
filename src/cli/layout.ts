import { stripVTControlCharacters } from 'node:util'

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** An amount of memory for a person: the largest unit in which it has no more than four digits before the point. */
export function formatBytes(bytes: number): string {
  let unit = 0
  let value = bytes
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  const digits = value % 1 === 0 || value >= 100 ? 0 : 1
  return `${value.toFixed(digits)} ${UNITS[unit]}`
}

/** A count with its thousands parted. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/**
 * Words in lines of at most so many columns.
 *
 * @param first what stands before the first line; the others are indented as far
 * @param words may hold escape sequences, which take no column
 */
export function wrap(first: string, words: readonly string[], columns: number): string {
  const indent = ' '.repeat(visibleLength(first))
  const lines: string[] = []
  let line = first
  let empty = true
  for (const word of words) {
    if (!empty && visibleLength(line) + 1 + visibleLength(word) > columns) {
      lines.push(line)
      line = indent
      empty = true
    }
    line += empty ? word : ` ${word}`
    empty = false
  }
  return [...lines, line].join('\n')
}

/** Columns that a text takes: without its colours. */
export function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length
}
