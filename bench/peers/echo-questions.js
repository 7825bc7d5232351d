/** What bench/peers/echo-peer.js asks a server of ours or Node's on standard input. */

import { createInterface } from 'node:readline'
import { openMeter } from '#dist/observe/index.js'

/** Says where it listens, and answers until standard input ends. */
export function answerQuestions(port) {
  console.log(port)
  let meter
  const answers = {
    begin() {
      meter = openMeter()
      meter.start()
      return {}
    },
    end() {
      const { systemCalls } = meter.stop()
      if (systemCalls?.method !== 'tracepoint') throw new Error('system calls cannot be counted here')
      return { systemCalls: systemCalls.value }
    },
    collect() {
      globalThis.gc()
      return {}
    },
  }
  createInterface({ input: process.stdin })
    .on('line', question => console.log(JSON.stringify(answers[question]())))
    .on('close', () => process.exit())
}
