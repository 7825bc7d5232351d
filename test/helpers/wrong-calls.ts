import assert from 'node:assert/strict'
import { type Call, callWrongly, finish } from './wrong-values.js'

/** A method of whatever is tried. */
export type Method = (...list: unknown[]) => unknown
/** Arguments that would do, by the name of a function. */
export type Calls = Readonly<Record<string, readonly unknown[]>>

/** Functions of an object by name, with arguments that would do. */
export function functionsOf(face: object, calls: Calls): Call[] {
  return Object.entries(calls).map(([name, args]) => {
    const call = (face as Record<string, Method>)[name]
    assert.ok(call !== undefined, name)
    return { name, args, call }
  })
}

/** Methods of an object that is made anew for each call. */
export function methodsOf(name: string, make: () => unknown, calls: Calls): Call[] {
  return Object.entries(calls).map(([method, args]) => ({
    name: `${name}.${method}`,
    args,
    call: async (...given) => {
      const object = (await make()) as Record<string, Method>
      assert.equal(typeof object[method], 'function', `${name}.${method}`)
      try {
        await finish(await object[method]?.(...given))
      } finally {
        await (object.close ?? object.unmap)?.call(object)
      }
    },
  }))
}

/** Fails where a call answers a wrong value otherwise than with an error that has a code. */
export async function check(calls: readonly Call[]): Promise<void> {
  const complaints: string[] = []
  for (const call of calls) complaints.push(...(await callWrongly(call)))
  assert.deepEqual(complaints, [])
}
