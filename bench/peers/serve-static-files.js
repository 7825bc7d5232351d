/** `staticFiles()` on `node:http`. */

import { createServer } from 'node:http'
import { staticFiles } from 'sluice/http'

const [port, folder] = process.argv.slice(2)
const files = staticFiles(folder)
const absent = response => response.writeHead(404).end()
createServer((request, response) => files(request, response, () => absent(response))).listen(
  Number(port),
  '127.0.0.1',
)
