// Sends a line to a server and prints the answer, as far as it comes within a second.
//
//   node examples/ask.js PORT TEXT
import { connect } from 'sluice'

const [port, text] = process.argv.slice(2)
const options = { host: '127.0.0.1', port: Number(port), timeout: 1000, readTimeout: 1000 }
const connection = await connect(options)
await connection.write(`${text}\n`)
await connection.end()
for await (const bytes of connection) process.stdout.write(bytes)
await connection.close()
