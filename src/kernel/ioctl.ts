/** Requests of ioctl(2) on files. @see ioctl_ficlonerange(2), ioctl_pagemap_scan(2) */
export const FILE_IOCTL = {
  /** Makes this file share all extents of the one whose descriptor is the argument. */
  FICLONE: 0x40049409,
  /** Makes a range of this file share the extents of a range of another: four 64-bit words say which. */
  FICLONERANGE: 0x4020940d,
  /** On /proc/PID/pagemap: which pages are in a state. Kernel 6.7. */
  PAGEMAP_SCAN: 0xc0606610,
} as const

/** Requests of ioctl(2) on sockets. @see tcp(7), unix(7) */
export const SOCKET_IOCTL = {
  /** Bytes that were sent and not acknowledged yet, as an int. */
  SIOCOUTQ: 0x5411,
  /** Bytes that have come and were not received yet, as an int. */
  SIOCINQ: 0x541b,
  /** The number of a network interface of a name; `struct ifreq`. @see netdevice(7) */
  SIOCGIFINDEX: 0x8933,
} as const

/** `struct pm_scan_arg` in bytes. */
export const PM_SCAN_ARG = { SIZE_FIELD: 0, FLAGS: 8, START: 16, END: 24, SIZE: 96 } as const
