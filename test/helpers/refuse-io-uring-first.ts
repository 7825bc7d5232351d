/**
 * A module for `node --import`: refuses io_uring before the program begins, as SLUICE_TEST_REFUSE says
 * (`EPERM`, or `ENOSYS:io_uring_enter,io_uring_register`).
 *
 * Newer versions of libuv have a ring of their own by the time that the filter comes, and abort when it is refused.
 * So where Node can execute a program in its own place, it does so with itself, which then finds the filter there, as
 * it would in a sandbox.
 */
import { isMainThread } from 'node:worker_threads'
import type { SyscallName } from '#dist/kernel/index.js'
import { refuseIoUring } from './refuse-io-uring.js'

type Execve = (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never

const { SLUICE_TEST_REFUSE: refusal, ...env } = process.env

if (refusal !== undefined && isMainThread) {
  const [code = '', calls] = refusal.split(':')
  refuseIoUring(calls === undefined ? { code } : { code, calls: calls.split(',') as SyscallName[] })
  const { execve } = process as { execve?: Execve }
  execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], env)
}
