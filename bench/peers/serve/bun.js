/** Static routes of `Bun.serve`: every file in memory. Runs in Bun. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [port, folder] = process.argv.slice(2)
const small = readdirSync(folder).filter(name => !name.startsWith('100'))
const routes = small.map(name => [`/${name}`, new Response(readFileSync(join(folder, name)))])
globalThis.Bun.serve({ port: Number(port), hostname: '127.0.0.1', routes: Object.fromEntries(routes) })
