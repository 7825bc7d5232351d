/** Address families. */
export const AF = { UNSPEC: 0, UNIX: 1, INET: 2, INET6: 10, VSOCK: 40 } as const

/** Kinds of sockets, and the flags that creation takes beside them. */
export const SOCK = {
  STREAM: 1,
  DGRAM: 2,
  RAW: 3,
  SEQPACKET: 5,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
} as const

/** Flags of send and receive calls. */
export const MSG = {
  OOB: 0x1,
  PEEK: 0x2,
  DONTROUTE: 0x4,
  /** Control data did not fit. */
  CTRUNC: 0x8,
  /** The message did not fit. */
  TRUNC: 0x20,
  DONTWAIT: 0x40,
  /** A record ends here. */
  EOR: 0x80,
  /** Waits until everything is transferred. */
  WAITALL: 0x100,
  CONFIRM: 0x800,
  ERRQUEUE: 0x2000,
  /** A broken connection gives EPIPE and no signal. */
  NOSIGNAL: 0x4000,
  /** More follows: do not send a small segment yet. */
  MORE: 0x8000,
  ZEROCOPY: 0x4000000,
  FASTOPEN: 0x20000000,
  CMSG_CLOEXEC: 0x40000000,
} as const

/** Levels of socket options and control messages. */
export const SOL = { IP: 0, SOCKET: 1, TCP: 6, UDP: 17, IPV6: 41 } as const

/** Options of level {@link SOL}`.SOCKET`. */
export const SO = {
  REUSEADDR: 2,
  TYPE: 3,
  ERROR: 4,
  BROADCAST: 6,
  SNDBUF: 7,
  RCVBUF: 8,
  KEEPALIVE: 9,
  LINGER: 13,
  REUSEPORT: 15,
  PEERCRED: 17,
  ACCEPTCONN: 30,
  PROTOCOL: 38,
  DOMAIN: 39,
  MAX_PACING_RATE: 47,
  INCOMING_CPU: 49,
  ZEROCOPY: 60,
} as const

/** Options of level {@link SOL}`.TCP`. */
export const TCP = {
  NODELAY: 1,
  CORK: 3,
  KEEPIDLE: 4,
  KEEPINTVL: 5,
  KEEPCNT: 6,
  DEFER_ACCEPT: 9,
  INFO: 11,
  QUICKACK: 12,
  CONGESTION: 13,
  USER_TIMEOUT: 18,
  FASTOPEN: 23,
} as const

/** Options of level {@link SOL}`.IPV6`. */
export const IPV6 = { V6ONLY: 26 } as const

/** Options of level {@link SOL}`.UDP`, which are also its control messages. @see udp(7) */
export const UDP = {
  /** The kernel cuts what is sent into datagrams of this size. */
  SEGMENT: 103,
  /** The kernel gives datagrams of one size and sender together. */
  GRO: 104,
} as const

/** Which directions of a connection shutdown(2) ends. */
export const SHUT = { RD: 0, WR: 1, RDWR: 2 } as const

/** Kinds of control messages of level {@link SOL}`.SOCKET`. */
export const SCM = { RIGHTS: 1, CREDENTIALS: 2 } as const

/** Requests of ioctl(2) on sockets: bytes that can be received, bytes not yet sent. @see tcp(7) */
export const SIOC = { INQ: 0x541b, OUTQ: 0x5411 } as const
