/** `@fastify/static`, without a log. */

import fastifyStatic from '@fastify/static'
import fastify from 'fastify'

const [port, folder] = process.argv.slice(2)
const server = fastify({ logger: false })
server.register(fastifyStatic, { root: folder })
await server.listen({ port: Number(port), host: '127.0.0.1' })
