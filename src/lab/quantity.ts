const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A number of bytes that is a power of two or nearly: `4 KiB`, `1.5 GiB`. */
export function sizeText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} ${UNITS[unit]}`
}

const MAGNITUDES: [number, string][] = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e4, 'k'],
]

/** A number in five characters or fewer: `0.016`, `2.13`, `1850`, `23.4k`, `1.05M`. A dash where there is none. */
export function shortText(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  const size = Math.abs(value)
  const magnitude = MAGNITUDES.find(([unit]) => size >= unit)
  if (magnitude !== undefined)
    return `${threeDigits(value / (magnitude[1] === 'k' ? 1000 : magnitude[0]))}${magnitude[1]}`
  if (size >= 1000) return value.toFixed(0)
  return threeDigits(value)
}

function threeDigits(value: number): string {
  const size = Math.abs(value)
  if (size >= 99.95) return value.toFixed(0)
  if (size >= 9.995) return value.toFixed(1)
  if (size >= 0.1) return value.toFixed(2)
  if (size < 0.0005) return '0'
  return value.toFixed(3)
}

/** A number as one would write it in a sentence: `0.02`, `1.4`, `28`, `1,048,576`. */
export function plainText(value: number): string {
  const size = Math.abs(value)
  if (size >= 99.5) return Math.round(value).toLocaleString('en-US')
  if (size >= 9.95) return value.toFixed(0)
  if (size >= 0.995) return String(Number(value.toFixed(1)))
  if (size === 0) return '0'
  return String(Number(value.toPrecision(size < 0.1 ? 1 : 2)))
}

/** `1 system call`, `3 system calls`. */
export function counted(value: number, noun: string): string {
  return `${plainText(value)} ${noun}${value === 1 ? '' : 's'}`
}
