const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']

/** IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`. */
const FIXDATE = /^[a-z]{3}, (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) gmt$/i
/** RFC 850: `Sunday, 06-Nov-94 08:49:37 GMT`. */
const RFC850 = /^[a-z]{6,9}, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) gmt$/i
/** asctime(3): `Sun Nov  6 08:49:37 1994`. */
const ASCTIME = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/i

function seconds(year: number, month: string, day: string, time: string[]): number | undefined {
  const index = MONTHS.indexOf(month.toLowerCase())
  const [hour, minute, second] = time.map(Number)
  if (index < 0 || hour > 23 || minute > 59 || second > 60) return undefined
  const milliseconds = Date.UTC(year, index, Number(day), hour, minute, second)
  if (new Date(milliseconds - (second === 60 ? 1000 : 0)).getUTCDate() !== Number(day)) return undefined
  return milliseconds / 1000
}

/** A year of two digits lies at most 50 years ahead (RFC 9110, 5.6.7). */
function fullYear(short: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear()
  const year = thisYear - (thisYear % 100) + short
  return year > thisYear + 50 ? year - 100 : year
}

/**
 * Reads an HTTP date in any of the three forms.
 *
 * @returns seconds since 1970, undefined where it is no valid date: the field is then ignored
 * @see RFC 9110, section 5.6.7
 */
export function parseHttpDate(text: string, now = Date.now()): number | undefined {
  const fix = FIXDATE.exec(text)
  if (fix !== null) return seconds(Number(fix[3]), fix[2], fix[1], fix.slice(4, 7))
  const old = RFC850.exec(text)
  if (old !== null) return seconds(fullYear(Number(old[3]), now), old[2], old[1], old.slice(4, 7))
  const asc = ASCTIME.exec(text)
  if (asc !== null) return seconds(Number(asc[6]), asc[1], asc[2], asc.slice(3, 6))
  return undefined
}

/** An HTTP date. @param milliseconds since 1970 */
export function formatHttpDate(milliseconds: number): string {
  return new Date(milliseconds).toUTCString()
}
