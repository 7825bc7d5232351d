/** What tests use of packages that bring no types. */

declare module 'serve-static' {
  import type { Middleware } from 'sluice/http'
  export default function serveStatic(root: string, options?: object): Middleware
}

declare module 'express' {
  import type { RequestListener, ServerResponse } from 'node:http'
  import type { Middleware } from 'sluice/http'
  export interface ExpressResponse extends ServerResponse {
    sendFile(path: string, options: object, callback: (error?: Error) => void): void
    status(status: number): this
  }
  type Handler = (request: never, response: ExpressResponse, next: (error?: unknown) => void) => void
  interface Application extends RequestListener {
    (request: Parameters<RequestListener>[0], response: Parameters<RequestListener>[1]): void
    use(handler: Handler): void
    use(path: string, handler: Middleware): void
    all(path: string, handler: Handler): void
  }
  export default function express(): Application
}
