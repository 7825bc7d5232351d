// Gives a file to whoever connects first: its bytes go from the page cache to the socket, past this program.
//
//   node examples/give.js FILE
import { listen, open, transfer } from 'sluice'

const file = await open(process.argv[2])
const server = await listen({ host: '127.0.0.1' }, async connection => {
  const { bytes, via } = await transfer(file, connection)
  console.log(`${bytes} bytes by ${via}`)
  await connection.closeGently()
  await server.close()
  await file.close()
})
console.log(`port ${server.port}`)
