// A Hono application on @hono/node-server: files from a folder, one file by its name, and routes of its own beside them.
//
//   npm install sluice hono @hono/node-server
//   node examples/hono.js FOLDER [PORT]
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { sendFile, staticFiles } from 'sluice/http'

const [folder = '.', port = '3000'] = process.argv.slice(2)
const files = staticFiles(folder, { maxAge: '1h' })
const app = new Hono()

app.get('/hello', context => context.json({ hello: 'Hono' }))

app.get('/download/:name', async context => {
  const { incoming, outgoing } = context.env
  // To HEAD Hono sends a response of its own, whatever a handler has sent.
  if (incoming.method === 'HEAD') return context.body(null, 405)
  outgoing.setHeader('Content-Disposition', 'attachment')
  await sendFile(outgoing, context.req.param('name'), { root: folder })
  return RESPONSE_ALREADY_SENT
})

app.onError((error, context) => {
  for (const [name, value] of Object.entries(error.headers ?? {})) context.header(name, value)
  return context.text(error.message, error.status ?? 500)
})

// Files come first: they never become a Request and a Response, and what is not in the folder is Hono's.
const listener = getRequestListener(app.fetch)
const server = createServer((request, response) => {
  files(request, response, error => {
    if (error === undefined) listener(request, response)
    else response.writeHead(error.status ?? 500, error.headers).end()
  })
})
server.listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`))
