/** sirv on `node:http`, with its cache of what is in the folder. */

import { createServer } from 'node:http'
import sirv from 'sirv'

const [port, folder] = process.argv.slice(2)
createServer(sirv(folder, { etag: true })).listen(Number(port), '127.0.0.1')
