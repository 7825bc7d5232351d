/** Events of poll(2). */
export const POLL = {
  IN: 0x1,
  PRI: 0x2,
  OUT: 0x4,
  ERR: 0x8,
  HUP: 0x10,
  NVAL: 0x20,
  RDHUP: 0x2000,
} as const

/** Events and flags of epoll(7) beside those of {@link POLL}. */
export const EPOLL = {
  EXCLUSIVE: 0x10000000,
  WAKEUP: 0x20000000,
  ONESHOT: 0x40000000,
  ET: 0x80000000,
} as const

/** Operations of epoll_ctl(2). */
export const EPOLL_CTL = { ADD: 1, DEL: 2, MOD: 3 } as const

/** `struct epoll_event` in bytes; packed on x64 alone. */
export const EPOLL_EVENT =
  process.arch === 'x64'
    ? ({ EVENTS: 0, DATA: 4, SIZE: 12 } as const)
    : ({ EVENTS: 0, DATA: 8, SIZE: 16 } as const)
