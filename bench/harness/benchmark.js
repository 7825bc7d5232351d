/**
 * What a file of bench/ exports by default. bench/README.md shows a whole one.
 *
 * @typedef {object} Benchmark
 * @property {string} about what is measured, in a line
 * @property {string[]} [packages] Debian packages that contestants need
 * @property {() => object | Promise<object>} [setUp] once before everything: compiles peers, makes files. What it
 *   returns, as JSON, is every contestant's `context`
 * @property {(context: object) => void} [tearDown] undoes that
 * @property {(parameters: Parameters, context: object) => void} [beforeCase] brings the machine to the case's state
 * @property {Parameters[]} cases
 * @property {Record<string, Contestant>} contestants by name
 * @property {Bar[]} bars
 * @property {number} [operations] measures so many operations rather than for a time
 * @property {number} [rounds] instead of the default, where once is enough
 *
 * @typedef {{ name: string, [parameter: string]: unknown }} Parameters a case: its name, and what contestants read
 *
 * @typedef {Program | Subject} Contestant a peer that is a program, or JavaScript; each runs in its own process
 *
 * @typedef {object} Program
 * @property {(parameters: Parameters, context: object, seconds: number) => string[]} command
 * @property {(output: string) => Sample} read makes something of what it printed
 * @property {(parameters: Parameters, context: object) => string | undefined} [skip] why it cannot take part
 *
 * @typedef {object} Subject
 * @property {(parameters: Parameters, context: object) => Running | Promise<Running>} start
 * @property {Record<string, string>} [env] added to the environment
 * @property {string[]} [node] options of Node's
 * @property {(parameters: Parameters, context: object) => string | undefined} [skip] why it cannot take part
 *
 * @typedef {object} Running
 * @property {(operations: number) => void | Promise<void>} step carries out so many operations
 * @property {(operations: number) => Record<string, number>} [figures] counts of the measured part, for instance
 *   system calls per operation; `begin` is called before it
 * @property {() => void} [begin]
 * @property {() => void | Promise<void>} [stop]
 *
 * @typedef {{ operations: number, seconds: number, figures?: Record<string, number> }} Sample
 *
 * @typedef {object} Bar either the ratio `of`/`to` of the rates, or a figure of `of` that must be at `most` so much, or so
 *   many times that of `to`
 * @property {string} of
 * @property {string} [to]
 * @property {number} [bar] the ratio that must be reached
 * @property {number} [aim] the ratio that we want
 * @property {string} [figure]
 * @property {number} [most]
 * @property {(parameters: Parameters) => boolean} [where] the cases it is about; all by default
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '#scripts/run.js'

/** Every benchmark there is. @returns {string[]} names, sorted */
export function benchmarkNames() {
  const files = readdirSync(join(root, 'bench')).filter(name => name.endsWith('.js'))
  return files.map(name => name.slice(0, -3)).sort()
}

/** @returns {Promise<Benchmark>} */
export async function loadBenchmark(name) {
  const module = await import(new URL(`../${name}.js`, import.meta.url).href)
  return module.default
}
