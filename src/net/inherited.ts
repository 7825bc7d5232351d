import { checkObject, F, syscall } from '../kernel/index.js'

const FIRST = 3
const FD_CLOEXEC = 1

/** A socket that this process was started with. */
export interface InheritedSocket {
  readonly fd: number
  /** Its name in the unit (`FileDescriptorName=`); `unknown` where it has none. */
  readonly name: string
}

/**
 * The sockets that systemd, or whoever speaks its protocol, has passed to this process: for
 * `listen({ fd })`, and `bind({ fd })` where they are for datagrams.
 *
 * Children do not inherit them any more, and are not told of them.
 *
 * @returns none where nothing was passed, or it was meant for another process
 * @see sd_listen_fds(3)
 */
export function inheritedSockets(environment: NodeJS.ProcessEnv = process.env): InheritedSocket[] {
  checkObject(environment, 'environment')
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES = '' } = environment
  const count = Number(LISTEN_FDS)
  if (Number(LISTEN_PID) !== process.pid || !Number.isInteger(count) || count <= 0) return []
  delete environment.LISTEN_PID
  delete environment.LISTEN_FDS
  delete environment.LISTEN_FDNAMES
  const names = LISTEN_FDNAMES.split(':')
  return Array.from({ length: count }, (_, index) => {
    syscall('fcntl', FIRST + index, F.SETFD, FD_CLOEXEC)
    return { fd: FIRST + index, name: names[index] || 'unknown' }
  })
}
