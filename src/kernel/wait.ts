/** What waitid(2) waits for. */
export const P = { ALL: 0, PID: 1, PGID: 2, PIDFD: 3 } as const

/** Changes of a child that waitid(2) reports, and how. */
export const W = {
  /** Returns at once. */
  NOHANG: 1,
  STOPPED: 2,
  EXITED: 4,
  CONTINUED: 8,
  /** Leaves the child to be waited for again. */
  NOWAIT: 0x1000000,
} as const

/** The part of `siginfo_t` that waitid(2) fills, in bytes. */
export const SIGINFO = { SIGNO: 0, ERRNO: 4, CODE: 8, PID: 16, UID: 20, STATUS: 24, SIZE: 128 } as const
