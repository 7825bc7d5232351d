/** What runs in each thread of `listen({ workers })`. */
import { parentPort, workerData } from 'node:worker_threads'
import { engine } from '../engine/index.js'
import { markDescriptor } from '../kernel/index.js'
import { listen } from './listen.js'
import type { WorkerModule, WorkerReport, WorkerRequest, WorkerTask } from './workers.js'

const { module, data, thread, options } = workerData as WorkerTask
const port = parentPort
if (port === null) throw new Error('To be run in a worker thread')

const tell = (report: WorkerReport) => port.postMessage(report)
const codeOf = (error: Error) => (error as NodeJS.ErrnoException).code
const onError = (error: Error) => tell({ kind: 'error', error, code: codeOf(error) })

// Its own copy of a socket that is shared: it goes with the thread, whatever becomes of it.
if (options.fd !== undefined) markDescriptor(options.fd)
const service = (await import(module)) as WorkerModule
await service.start?.(data, thread)
const listener = await listen({ ...options, onError }, service.default)

async function answer(id: number, question: unknown): Promise<void> {
  try {
    tell({ kind: 'answer', id, answer: await service.answer?.(question), error: undefined, code: undefined })
  } catch (error) {
    tell({ kind: 'answer', id, answer: undefined, error: error as Error, code: codeOf(error as Error) })
  }
}

async function end(timeout: number): Promise<void> {
  service.closing?.()
  await listener.close({ timeout })
  await service.closed?.()
  await engine().close()
  port?.close()
}

port.on('message', (request: WorkerRequest) => {
  if (request.kind === 'stats') tell({ kind: 'stats', id: request.id, stats: listener.stats() })
  else if (request.kind === 'ask') void answer(request.id, request.question)
  else void end(request.timeout)
})
tell({ kind: 'listening' })
