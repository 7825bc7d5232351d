/** What runs in each thread of `serve({ workers })`: a module as `listen({ workers })` takes it. */
import type { Connection } from '../net/index.js'
import { HttpService, type SharedMemory } from './http-service.js'
import { keptDescriptors } from './kept-descriptors.js'
import type { ServeOptions } from './server-options.js'

/** What a thread begins with. */
export interface ThreadTask {
  readonly options: ServeOptions
  readonly memory: Omit<SharedMemory, 'thread'>
  /** How many share the process's descriptors. */
  readonly threads: number
}

let service: HttpService | undefined

/** Begins. @param thread its number */
export function start({ options, memory, threads }: ThreadTask, thread: number): void {
  keptDescriptors.share(threads)
  service = new HttpService(options, { ...memory, thread })
}

/** Serves one connection. */
export default async function handle(connection: Connection): Promise<void> {
  await service?.handle(connection)
}

/** Does as the group asks. */
export function answer(question: unknown): undefined {
  if (question === 'reload') service?.reload()
}

/** No connection will be taken any more. */
export function closing(): void {
  service?.finish()
}

/** No connection is left. */
export async function closed(): Promise<void> {
  await service?.end()
}
