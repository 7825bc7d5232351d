/** The echo server of bench/echo.js on our sockets. */

import { listen } from '#dist/net/index.js'
import { answerQuestions } from './echo-questions.js'

const server = await listen({ host: '127.0.0.1', backlog: 1024 }, async connection => {
  for await (const bytes of connection) await connection.write(bytes)
})
answerQuestions(server.port)
