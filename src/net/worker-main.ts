/** What runs in each thread of `listen({ workers })`. */
import { parentPort, workerData } from 'node:worker_threads'
import { engine } from '../engine/index.js'
import { listen } from './listen.js'
import type { ConnectionHandler } from './listener.js'
import type { WorkerReport, WorkerRequest, WorkerTask } from './workers.js'

const { module, options } = workerData as WorkerTask
const port = parentPort
if (port === null) throw new Error('To be run in a worker thread')

const tell = (report: WorkerReport) => port.postMessage(report)
const onError = (error: Error) => tell({ kind: 'error', error, code: (error as NodeJS.ErrnoException).code })

const { default: handler } = (await import(module)) as { default: ConnectionHandler }
const listener = await listen({ ...options, onError }, handler)

port.on('message', async (request: WorkerRequest) => {
  if (request.kind === 'stats') {
    tell({ kind: 'stats', id: request.id, stats: listener.stats() })
    return
  }
  await listener.close({ timeout: request.timeout })
  await engine().close()
  port.close()
})
tell({ kind: 'listening' })
