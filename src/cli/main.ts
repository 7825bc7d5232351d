#!/usr/bin/env node
import { run } from './run.js'
import { standardTerminal } from './terminal.js'

const terminal = standardTerminal()
process.exitCode = await run(process.argv.slice(2), terminal)
// To take everything apart that the process would lose anyway takes Node a tenth of its start.
if (terminal.isWritten) process.exit()
