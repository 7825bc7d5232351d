import { GOALS } from './catalogue.js'
import type { Goal } from './mechanism.js'
import { counted, plainText, sizeText } from './quantity.js'
import type { Answer, RowReport, RowResult } from './report.js'
import { MIB } from './sizes.js'

/** A row that was measured. */
interface Measured extends RowReport {
  result: RowResult
}

/** A row makes needlessly many system calls when another of its goal makes so many times fewer. */
const NEEDLESS = 4
/** Fewer calls for each MiB make no difference any more. */
const SCARCELY_ANY = 1
/** And only where an operation makes more than one: a single one is hard to do without. */
const ONE_CALL = 1.5
/** Faster by less than this part is not faster. */
const CLEARLY = 1.05
/** Goals that are spoken of where there would be more. */
const MOST_POINTS = 4

const isMeasured = (row: RowReport): row is Measured => row.result !== undefined

const speed = (row: Measured) => row.result.bytesPerSecond.median
const speedText = (row: Measured) => `${plainText(speed(row) / MIB)} MiB/s`
const callsPerMiB = (row: Measured) => row.result.cost.systemCallsPerMiB?.value ?? Number.NaN
const callsEach = (row: Measured) => row.result.cost.systemCallsPerOperation?.value ?? Number.NaN

function cpuPerMiB(row: Measured): number {
  const { userUsPerOperation, systemUsPerOperation } = row.result.cost
  return ((userUsPerOperation.value + systemUsPerOperation.value) * MIB) / row.size
}

function least(rows: readonly Measured[], by: (row: Measured) => number): Measured {
  return rows.reduce((best, row) => (by(row) < by(best) ? row : best))
}

/** The rows goal by goal, where there are two or more to compare. */
function byGoal(rows: readonly Measured[]): [Goal, Measured[]][] {
  const goals = [...new Set(rows.map(row => row.goal))]
  const groups = goals.map((goal): [Goal, Measured[]] => [goal, rows.filter(row => row.goal === goal)])
  return groups.filter(([, group]) => group.length > 1)
}

function systemCalls(rows: readonly Measured[]): Answer {
  const question = 'More system calls than necessary?'
  const known = rows.filter(row => Number.isFinite(callsPerMiB(row)))
  const wasteful = new Set<string>()
  const points: { text: string; ratio: number }[] = []
  for (const [goal, group] of byGoal(known)) {
    const lowest = callsPerMiB(least(group, callsPerMiB))
    // Of those that make few, the one that one would choose.
    const fewest = least(
      group.filter(row => callsPerMiB(row) <= NEEDLESS * Math.max(lowest, SCARCELY_ANY)),
      row => -speed(row),
    )
    const most = least(group, row => -callsPerMiB(row))
    const floor = Math.max(callsPerMiB(fewest), SCARCELY_ANY)
    for (const row of group) {
      const small = row.size < Math.min(fewest.size, 4096)
      if (callsPerMiB(row) >= NEEDLESS * floor && (small || callsEach(row) > ONE_CALL)) wasteful.add(row.id)
    }
    const ratio = callsPerMiB(most) / floor
    if (ratio < NEEDLESS) continue
    const calls = counted(callsPerMiB(most), 'system call')
    const text = `${GOALS[goal]}: ${most.name} makes ${calls} for each MiB and moves ${speedText(most)}; ${fewest.name} makes ${plainText(callsPerMiB(fewest))} and moves ${speedText(fewest)}.`
    points.push({ text, ratio })
  }
  points.sort((a, b) => b.ratio - a.ratio)
  const texts = points.slice(0, MOST_POINTS).map(({ text }) => text)
  const promised = known.find(row => row.mechanism === 'fs.promises' && row.depth === 1)
  if (promised !== undefined) {
    texts.push(
      `${promised.name} makes ${counted(callsEach(promised), 'system call')} for each operation: the one that moves the bytes, and those that hand it to a thread and hear back.`,
    )
  }
  if (known.length === 0) return { question, verdict: 'not counted in this run', good: undefined, points: [] }
  const verdict = wasteful.size === 0 ? 'no' : `yes, in ${counted(wasteful.size, 'row')}`
  return { question, verdict, good: wasteful.size === 0, points: texts }
}

function copies(rows: readonly Measured[]): Answer {
  const count = (row: Measured) => row.result.cost.kernelCopies.value
  const most = Math.max(0, ...rows.map(count))
  const none = rows.filter(row => count(row) === 0)
  const points = [
    `${most === 0 ? 'The kernel copies no byte' : `The kernel copies each byte ${most === 1 ? 'once' : `${most} times`} at most: between page cache, sockets and buffers`}. ${none.length} of ${rows.length} rows have no copy (${[...new Set(none.map(row => row.mechanism))].join(', ') || 'none here'}). This is derived from how each works, not measured.`,
    'Reading bytes and writing them again costs both: 2 copies, unless the kernel moves them itself.',
  ]
  const mapped = rows.find(row => row.mechanism === 'mmap' && row.goal === 'read/cached/sequential')
  const read = rows.find(
    row => row.goal === mapped?.goal && row.size === mapped.size && row.name.startsWith('readSync'),
  )
  if (mapped !== undefined && read !== undefined) {
    const verdict =
      speed(mapped) > CLEARLY * speed(read)
        ? 'Saving the copy pays here'
        : 'Saving the copy is not free: page faults cost instead'
    points.push(
      `${verdict}: ${mapped.name} moves ${speedText(mapped)}, ${read.name}, with one copy by the kernel, ${speedText(read)}. (The program copies the bytes out of the mapping itself, to have them as read() would leave them.)`,
    )
  }
  return { question: 'More than two copies?', verdict: most > 2 ? 'yes' : 'no', good: most <= 2, points }
}

function queues(rows: readonly Measured[]): Answer {
  const question = 'Are the queues bounded?'
  const over = rows.filter(row => row.result.queue.deepest > row.depth)
  const deepest = least(rows, row => -row.result.queue.deepest)
  const largest = least(rows, row => -row.result.queue.bytes)
  const points = [
    `At most ${counted(deepest.result.queue.deepest, 'operation')} waited at once (${deepest.name}), and at most ${sizeText(largest.result.queue.bytes)} of memory (${largest.name}), as seen in this run.`,
  ]
  for (const row of over) points.push(`${row.name} went beyond its bound of ${row.depth}.`)
  const pairs = rows.flatMap(shallow =>
    rows
      .filter(deep => isDeeper(deep, shallow))
      .map(deep => ({ deep, shallow, gain: speed(deep) / speed(shallow) })),
  )
  const [pair] = pairs.sort((a, b) => b.gain - a.gain)
  if (pair !== undefined) {
    const { deep, shallow, gain } = pair
    points.push(
      `Depth has its price, so it needs a bound: ${deep.name} moves ${plainText(gain)} times what ${shallow.name} does, and an operation waits ${micros(deep)} µs (p50) instead of ${micros(shallow)} (${GOALS[deep.goal]}).`,
    )
  }
  const loose = rows.find(row => row.mechanism === 'fs.promises')
  if (loose !== undefined) points.push(`fs.promises: ${loose.result.queue.bound}.`)
  return { question, verdict: over.length === 0 ? 'yes' : 'no', good: over.length === 0, points }
}

function isDeeper(row: Measured, than: Measured): boolean {
  const alike = row.mechanism === than.mechanism && row.goal === than.goal && row.size === than.size
  const timed = row.result.latencyNs.p50 !== null && than.result.latencyNs.p50 !== null
  return alike && timed && row.depth > than.depth
}

function micros(row: Measured): string {
  return plainText((row.result.latencyNs.p50 ?? 0) / 1000)
}

function primitive(rows: readonly Measured[]): Answer {
  const points = byGoal(rows).map(([goal, group]) => {
    const fastest = least(group, row => -speed(row))
    const leanest = least(group, cpuPerMiB)
    // What reaches the fastest one's slowest lap cannot be told from it.
    const equal = group.filter(
      row => row !== fastest && row.result.bytesPerSecond.max >= fastest.result.bytesPerSecond.min,
    )
    const usual = group.find(row => row.mechanism === 'fs.promises') ?? group[0]
    const than =
      usual === undefined || usual === fastest
        ? ''
        : `, ${plainText(speed(fastest) / speed(usual))} times ${usual.name}`
    const others = equal.length === 0 ? '' : ` (within its spread: ${equal.map(row => row.name).join(', ')})`
    const cpu = `${plainText(cpuPerMiB(leanest))} µs of CPU for each MiB`
    const lean =
      leanest === fastest
        ? `It also takes the least CPU, ${cpu}.`
        : `${leanest.name} takes the least CPU, ${cpu}.`
    return `${GOALS[goal]}: ${fastest.name} is the fastest with ${speedText(fastest)}${than}${others}. ${lean}`
  })
  const question = 'Is this the right primitive for the goal?'
  return {
    question,
    verdict: points.length === 0 ? 'nothing to compare' : 'it depends on the goal',
    good: undefined,
    points,
  }
}

/** The four questions one should ask of any I/O path, answered from what a run has measured. */
export function checklist(reports: readonly RowReport[]): Answer[] {
  const rows = reports.filter(isMeasured)
  if (rows.length === 0) return []
  return [systemCalls(rows), copies(rows), queues(rows), primitive(rows)]
}
