// An Express 5 application: files from a folder, one file by its name, and pages of its own beside them.
//
//   npm install sluice express
//   node examples/express.js FOLDER [PORT]
import express from 'express'
import { sendFile, staticFiles } from 'sluice/http'

const [folder = '.', port = '3000'] = process.argv.slice(2)
const app = express()

app.get('/hello', (_request, response) => response.json({ hello: 'Express' }))

// In place of express.static(): the kernel moves the bytes.
app.use('/files', staticFiles(folder, { maxAge: '1h', extensions: ['html'] }))

// In place of response.sendFile(): Express 5 hands a rejection to the error handler, which answers with its status.
app.get('/download/:name', async (request, response) => {
  response.attachment(request.params.name)
  await sendFile(response, request.params.name, { root: folder })
})

const server = app.listen(Number(port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`)
})
