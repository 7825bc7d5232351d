import { damage } from './damage.js'
import type { Rest, SegmentReader } from './segment-reader.js'

/** What opening a log found in its newest segment. */
export interface Recovered {
  /** Position behind the last intact record. */
  end: number
  /** Intact records in the newest segment. */
  records: number
  /** Bytes behind them that were written in part, or never acknowledged, and have been cut off; 0 after a clean end. */
  truncated: number
}

/**
 * Finds the end of the newest segment, and cuts off what a crash left behind it.
 *
 * What is there but no intact record is a torn tail as long as no later batch follows: it was never acknowledged. If
 * one follows, records that were acknowledged are lost, and cutting off would lose more.
 *
 * @param keep goes on behind damage
 * @throws `ERR_SLUICE_LOG_DAMAGED`; the system error of what it does to the file
 */
export async function recover(reader: SegmentReader, keep: boolean): Promise<Recovered> {
  let records = 0
  let rest: Rest
  for (;;) {
    records += await countFrames(reader)
    rest = await reader.inspectRest()
    if (!rest.wasDurable) break
    if (!keep) throw damage(reader.file.path, reader.position, rest.resumes)
    reader.seek(rest.resumes)
  }
  const end = reader.position
  if (rest.written > 0) await reader.file.truncate(end - reader.base)
  // Records found may be in the page cache only: from here on they count as durable.
  await reader.file.sync()
  return { end, records, truncated: rest.written }
}

async function countFrames(reader: SegmentReader): Promise<number> {
  let records = 0
  for (;;) {
    const end = await reader.advance(Number.POSITIVE_INFINITY)
    records += reader.count
    if (end !== 'full') return records
  }
}
