import type { IoUringFacts } from './io-uring.js'
import type { LimitFacts } from './limits.js'
import type { PathFacts } from './path.js'
import type { SandboxFacts } from './sandbox.js'
import type { TracingFacts } from './tracing.js'
import type { UserfaultfdFacts } from './userfaultfd.js'

/** What is known before anything is advised. */
export interface ProbeFacts {
  system: SandboxFacts & {
    /** As uname(2) tells it. */
    kernel: string
    arch: string
    node: string
    pageSize: number
  }
  ioUring: IoUringFacts
  limits: LimitFacts
  userfaultfd: UserfaultfdFacts
  path: PathFacts
  tracing: TracingFacts
}
