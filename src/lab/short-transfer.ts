/**
 * Checks that an operation moved what it was asked to.
 *
 * @throws `Error`: a file that shrinks under the lab would make every number wrong
 */
export function whole(moved: number, asked: number): number {
  if (moved !== asked) throw new Error(`${moved} of ${asked} bytes were moved: has the file been truncated?`)
  return moved
}
