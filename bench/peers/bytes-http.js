/** Answers whatever it is asked with a file, over node:http: by `sendFile()` or by a stream. Prints its port. */

import { createReadStream, openSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { sendFile } from '#dist/transfer/index.js'

const [, , path, how] = process.argv
const { size } = statSync(path)
const fd = openSync(path)
const answers = {
  sendFile: response => sendFile(response, fd),
  pipe: response => {
    response.setHeader('Content-Length', size)
    createReadStream(path).pipe(response)
  },
}
const server = createServer((_request, response) => answers[how](response))
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`))
