/** `serve()` on the port and folder of the command line. Told to on standard input, it counts its system calls. */

import { serve } from 'sluice/http'
import { openMeter } from 'sluice/observe'

const [port, folder] = process.argv.slice(2)
await serve({ root: folder, host: '127.0.0.1', port: Number(port) })

let meter
process.stdin.setEncoding('utf8').on('data', text => {
  if (text.startsWith('begin')) {
    meter = openMeter()
    meter.start()
  } else {
    process.stdout.write(`${JSON.stringify(meter.stop())}\n`)
  }
})
