// A Fastify 5 application: files from a folder, one file by its name, and routes of its own beside them.
//
//   npm install sluice fastify
//   node examples/fastify.js FOLDER [PORT]
import fastify from 'fastify'
import { sendFile, staticFiles } from 'sluice/http'

const [folder = '.', port = '3000'] = process.argv.slice(2)
const app = fastify()
const files = staticFiles(folder, { maxAge: '1h' })

// Before routes are looked up: what is not in the folder goes on to them, errors to the error handler.
app.addHook('onRequest', (request, reply, done) => files(request.raw, reply.raw, done))

app.get('/hello', async () => ({ hello: 'Fastify' }))

app.get('/download/:name', async (request, reply) => {
  reply.raw.setHeader('Content-Disposition', 'attachment')
  // Rejects before anything is sent, so Fastify can still answer with the error's status.
  await sendFile(reply.raw, request.params.name, { root: folder })
  return reply.hijack()
})

console.log(await app.listen({ port: Number(port), host: '127.0.0.1' }))
