import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from '#scripts/run.js'
import { ensureCompiler } from '#scripts/setup.js'

/**
 * Compiles bench/peers/NAME.c.
 *
 * @param {string} name
 * @param {string[]} libraries linker flags, such as `-luring`
 * @returns {Promise<string>} the program's path
 */
export async function compilePeer(name, libraries) {
  const folder = join(root, 'build/peers')
  const program = join(folder, name)
  mkdirSync(folder, { recursive: true })
  const source = join(root, 'bench/peers', `${name}.c`)
  const args = ['-O2', '-Wall', '-Wextra', '-o', program, source, ...libraries]
  const { code, output } = await run(await ensureCompiler(), args, { capture: true })
  if (code !== 0) throw new Error(`bench/peers/${name}.c does not compile:\n${output}`)
  return program
}
