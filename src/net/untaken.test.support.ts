import type { TestContext } from 'node:test'
import { errnoOf, systemError } from '../kernel/index.js'
import { Ring } from '../ring/index.js'

/** Has a kernel that is short of memory take some of the next submissions only later. @returns says which: true for not now */
export function refuseSubmissions(t: TestContext): (next: () => boolean) => void {
  const { submit } = Ring.prototype
  let refuses = () => false
  t.mock.method(Ring.prototype, 'submit', function (this: Ring, ...limits: []) {
    if (!refuses()) return submit.apply(this, limits)
    this.submissions.publish()
    throw systemError(-errnoOf('EAGAIN'), 'io_uring_enter')
  })
  return next => {
    refuses = next
  }
}
