/**
 * Runs the command line in one file for a copy, and writes down what V8 has compiled for that: with it, the next start
 * reads and compiles nothing. bundle.js calls it.
 *
 *   node scripts/keep-code.js PROGRAM OUTPUT
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Script } from 'node:vm'

const [program, output] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'sluice-code-'))
const [from, to] = ['from', 'to'].map(name => join(folder, name))
writeFileSync(from, Buffer.alloc(2 ** 22))
const { text, filename, run } = createRequire(import.meta.url)(program)
const script = new Script(text, { filename })
process.on('exit', () => {
  rmSync(folder, { recursive: true })
  if (!process.exitCode) writeFileSync(output, script.createCachedData())
})
process.argv = [process.execPath, program, 'cp', '-r', from, to]
run(script.runInThisContext())
