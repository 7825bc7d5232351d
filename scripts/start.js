/** `npm start`: sets up, builds, and measures this machine with `sluice lab`. Arguments go to the lab. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { build } from './build.js'
import { fail, root } from './run.js'

const program = join(root, 'dist/cli/main.js')

const clean = await build()
if (!existsSync(program)) fail('dist/cli/main.js was not built: see the errors above.')
// Type errors leave the JavaScript as it is: better to measure and say so than not to measure.
if (!clean) process.stderr.write('start: the build reported errors; running what it wrote\n')

const child = spawn(process.execPath, [program, 'lab', ...process.argv.slice(2)], { stdio: 'inherit' })
// The terminal's Ctrl-C reaches the lab too, which removes its files and ends; we end with it.
process.on('SIGINT', () => process.stderr.write('start: stopping\n'))
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal]
})
