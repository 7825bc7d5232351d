export type { AccessLogFormat } from './access-log.js'
export type { TlsOptions } from './certificates.js'
export type { HttpError } from './http-error.js'
export type { FileOptions } from './middleware-options.js'
export type { NodeRequest, NodeResponse } from './node-answer.js'
export type { HeadLimits } from './request-head.js'
export type { SymlinkPolicy } from './root-directory.js'
export { type SendFileCallback, type SendFileOptions, sendFile } from './send-file.js'
export { FileServer, serve } from './serve.js'
export type { ServerGroup } from './server-group.js'
export type { ServeOptions, WorkerServeOptions } from './server-options.js'
export type { ServerStats } from './server-stats.js'
export { Site, type SiteRequest } from './site.js'
export type { SiteOptions } from './site-options.js'
export {
  type FileStats,
  type Middleware,
  type StaticFilesOptions,
  staticFiles,
} from './static-files.js'
export type { StatusOptions } from './status/status-routes.js'
