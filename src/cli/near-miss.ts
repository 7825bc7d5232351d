/** Letters that have to be put in, left out, replaced or swapped to get from one word to the other. */
function distance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let at = 1; at <= a.length; at++) {
    const next = [at]
    for (let to = 1; to <= b.length; to++) {
      const same = a[at - 1] === b[to - 1]
      next[to] = Math.min(row[to] + 1, next[to - 1] + 1, row[to - 1] + (same ? 0 : 1))
      const swapped = at > 1 && to > 1 && a[at - 1] === b[to - 2] && a[at - 2] === b[to - 1]
      if (swapped) next[to] = Math.min(next[to], before[to - 2] + 1)
    }
    before = row
    row = next
  }
  return row[b.length]
}

/** The name that was probably meant; undefined where none is near. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const plain = name.toLowerCase()
  let found: string | undefined
  let least = Math.max(1, Math.floor(plain.length / 3)) + 1
  for (const candidate of names) {
    const steps = distance(plain, candidate.toLowerCase())
    if (steps >= least) continue
    least = steps
    found = candidate
  }
  return found
}

/** ` Did you mean 'port'?`, or nothing. */
export function suggestion(name: string, names: Iterable<string>): string {
  const found = nearest(name, names)
  return found === undefined ? '' : ` Did you mean '${found}'?`
}
