/** A view whose memory has gone, made before it went. */
function detached(): Uint8Array {
  const view = new Uint8Array(new ArrayBuffer(64))
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

/** What nobody should pass, each with its name. */
export const WRONG: readonly (readonly [name: string, value: unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['true', true],
  ['a string', 'no such thing'],
  ['an object', {}],
  ['an array', []],
  ['a BigInt', 8n],
  ['a symbol', Symbol('wrong')],
  ['a function', () => {}],
  ['NaN', Number.NaN],
  ['Infinity', Infinity],
  ['a fraction', 0.5],
  ['-2', -2],
  ['a negative number', -(2 ** 40)],
  ['a huge number', 2 ** 52],
  ['the largest number', Number.MAX_VALUE],
  ['a detached view', detached()],
]

/** A call and arguments with which it would work. */
export interface Call {
  readonly name: string
  readonly call: (...args: never[]) => unknown
  readonly args: readonly unknown[]
}

/**
 * Makes a call with each wrong value in each place of its arguments, one after the other.
 *
 * A wrong value may happen to do (undefined stands for the default). Where it does not, the error must be one of
 * Node's kind, with a code: not what JavaScript says of a property that is not there.
 *
 * @returns what went otherwise
 */
export async function callWrongly({ name, call, args }: Call): Promise<string[]> {
  const complaints: string[] = []
  for (const { place, given, value } of variations(args)) {
    try {
      await finish(await call(...(given as never[])))
    } catch (error) {
      if (!isAnswer(error, value)) complaints.push(`${name}(), ${place}: ${error}`)
    }
  }
  return complaints
}

/** The arguments with one of them, or one property of one that is an object of options, put wrong. */
function* variations(args: readonly unknown[]) {
  for (const [index, argument] of args.entries()) {
    for (const [kind, value] of WRONG) {
      yield { place: `argument ${index + 1} = ${kind}`, given: args.with(index, value), value }
      if (!isOptions(argument)) continue
      for (const key of Object.keys(argument)) {
        const place = `argument ${index + 1}, ${key} = ${kind}`
        yield { place, given: args.with(index, { ...argument, [key]: value }), value }
      }
    }
  }
}

function isOptions(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

/** Whether an error says what is wrong. Of a symbol, a BigInt or detached memory in place of a number,
 * and of memory that cannot be had, the language says so itself. */
function isAnswer(error: unknown, value: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (typeof (error as NodeJS.ErrnoException).code === 'string') return true
  if (error instanceof RangeError && /allocation failed/.test(error.message)) return true
  const byLanguage = typeof value === 'symbol' || typeof value === 'bigint' || /detached/.test(error.message)
  return byLanguage && error instanceof TypeError
}

interface Lazy {
  [Symbol.asyncIterator]?: () => AsyncIterator<unknown>
  [Symbol.asyncDispose]?: () => PromiseLike<void>
  [Symbol.dispose]?: () => void
}

/** Takes one item of what is lazy, and ends it: its arguments may be looked at only then. */
export async function finish(result: unknown): Promise<void> {
  if (typeof result !== 'object' || result === null) return
  const lazy = result as Lazy
  const iterator = lazy[Symbol.asyncIterator]?.()
  await iterator?.next()
  await iterator?.return?.()
  await lazy[Symbol.asyncDispose]?.()
  lazy[Symbol.dispose]?.()
}
