/** The echo server of bench/echo.js on node:net. */

import { createServer } from 'node:net'
import { answerQuestions } from './echo-questions.js'

const server = createServer({ noDelay: true }, socket => {
  socket.on('data', data => socket.write(data))
  socket.on('error', () => {})
})
server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 }, () => answerQuestions(server.address().port))
