/** What the last transfer to (or from) an object is waited for by the next one. */
const tails = new WeakMap<object, Promise<void>>()

/**
 * Waits until the transfers are over that were asked for on an object before: those of one sink, or of one source with a
 * position of its own, go one after the other.
 *
 * @returns what lets the next one go
 */
export async function queueUp(...ends: unknown[]): Promise<() => void> {
  const objects = ends.filter(end => typeof end === 'object' && end !== null) as object[]
  let leave = () => {}
  const over = new Promise<void>(resolve => {
    leave = resolve
  })
  const before = objects.map(object => tails.get(object)).filter(tail => tail !== undefined)
  for (const object of objects) {
    const tail = over.then(() => {
      if (tails.get(object) === tail) tails.delete(object)
    })
    tails.set(object, tail)
  }
  if (before.length > 0) await Promise.all(before)
  return leave
}
