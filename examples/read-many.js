// Reads a file at random, 64 reads in flight, and says what it cost.
//
//   node examples/read-many.js FILE
import { engine, open } from 'sluice'

const file = await open(process.argv[2])
const { size } = await file.stat()
const blocks = Math.max(1, Math.floor(size / 4096))
let left = 100_000

async function reader() {
  const buffer = new Uint8Array(4096)
  while (left-- > 0) await file.read(buffer, { position: Math.floor(Math.random() * blocks) * 4096 })
}

const start = performance.now()
await Promise.all(Array.from({ length: 64 }, reader))
const seconds = (performance.now() - start) / 1000
await file.close()

const { driver, enters, completions } = engine().stats()
console.log(`${Math.round(100_000 / seconds).toLocaleString('en')} reads a second on the ${driver} driver`)
console.log(`${(enters / completions).toFixed(3)} system calls for each`)
