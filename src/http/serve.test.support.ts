import { type FileServer, serve } from './serve.js'
import type { ServeOptions } from './server-options.js'

/** Has servers of a root, each on a free port of the loopback interface and closed behind its use. */
export function serversOf(root: () => string) {
  return async (
    options: Partial<ServeOptions>,
    use: (server: FileServer) => Promise<void>,
  ): Promise<void> => {
    const server = await serve({ root: root(), host: '127.0.0.1', port: 0, ...options })
    try {
      await use(server)
    } finally {
      await server.close({ timeout: 1000 })
    }
  }
}
