import { STATUS_CODES } from 'node:http'
import type { Answer } from './answer.js'

/** What a request failed with, in the form that Connect, Express, Fastify and Koa understand. */
export interface HttpError extends Error {
  /** The status to answer with. */
  status: number
  /** The same. */
  statusCode: number
  /** Whether the message may be shown to the client. */
  expose: boolean
  /** Headers that belong to the answer: `Allow`, `Content-Range`. */
  headers: Record<string, string>
  /** The name of the system's error, where there was one: `ENOENT`, `EISDIR`, `EACCES`. */
  code?: string
}

const CODES: Readonly<Record<number, string>> = { 403: 'EACCES', 404: 'ENOENT' }
/** Of an answer in words; of no use to whoever answers otherwise. */
const OF_THE_WORDS = /^(?:content-type|content-length|x-content-type-options)$/i

/** Makes an error of a status. */
export function httpError(status: number, code = CODES[status], message = STATUS_CODES[status]): HttpError {
  const error = new Error(message) as HttpError
  Object.assign(error, { status, statusCode: status, expose: status < 500, headers: {} })
  if (code !== undefined) error.code = code
  return error
}

/** Makes an error of an answer that serves no file. */
export function errorOf(answer: Answer): HttpError {
  const error = httpError(answer.status)
  for (const [name, value] of answer.fields) if (!OF_THE_WORDS.test(name)) error.headers[name] = value
  return error
}
