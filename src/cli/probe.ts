import { probe } from '../kernel/index.js'
import { defineCommand } from './command.js'
import { ProbeReport } from './probe-report.js'

/** `sluice probe [--json] [PATH]`: what this kernel, sandbox and file system offer. */
export const probeCommand = defineCommand({
  name: 'probe',
  summary: 'show what this kernel and sandbox offer, and what to do about the rest',
  operands: '[PATH]',
  count: [0, 1],
  options: {
    json: { type: 'boolean', description: 'print JSON (its shape: docs/guide/probe.md)' },
  },
  details: 'Everything is tried, not guessed. PATH is the current folder if left out.',
  run({ values, positionals }, terminal) {
    const result = probe(positionals[0])
    terminal.write(
      values.json ? `${JSON.stringify(result, null, 2)}\n` : new ProbeReport(result, terminal).text,
    )
    return result.driver.usable ? 0 : 1
  },
})
