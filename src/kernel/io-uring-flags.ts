/** Flags of poll operations; they travel in the entry's length. */
export const IORING_POLL = {
  /** One completion an event, until it is cancelled or fails. */
  ADD_MULTI: 1 << 0,
  /** POLL_REMOVE changes the events instead. */
  UPDATE_EVENTS: 1 << 1,
  /** POLL_REMOVE changes the user data instead. */
  UPDATE_USER_DATA: 1 << 2,
  /** Level instead of edge triggered. */
  ADD_LEVEL: 1 << 3,
} as const

/** What ASYNC_CANCEL matches on, and how many. */
export const IORING_ASYNC_CANCEL = {
  /** Every match, and the result is their number. */
  ALL: 1 << 0,
  /** By descriptor. */
  FD: 1 << 1,
  /** Any request at all. */
  ANY: 1 << 2,
  /** The descriptor is an index into the registered files. */
  FD_FIXED: 1 << 3,
  /** By user data; what is meant when no other key is given. */
  USERDATA: 1 << 4,
  /** By operation. */
  OP: 1 << 5,
} as const

/** Flags of send and receive operations; they travel in the entry's priority. */
export const IORING_RECVSEND = {
  /** Waits for readiness before the first try. */
  POLL_FIRST: 1 << 0,
  /** One completion a message (`IORING_RECV_MULTISHOT`). */
  RECV_MULTISHOT: 1 << 1,
  /** Sends from a registered buffer. */
  FIXED_BUF: 1 << 2,
  /** The notification of a zero-copy send says whether it copied. */
  SEND_ZC_REPORT_USAGE: 1 << 3,
  /** Takes several provided buffers at once. */
  BUNDLE: 1 << 4,
  /** The address is one of iovecs (`IORING_SEND_VECTORIZED`). */
  SEND_VECTORIZED: 1 << 5,
} as const

/** In the result of a zero-copy notification that reports its usage: the data was copied. */
export const IORING_NOTIF_USAGE_ZC_COPIED = 0x80000000

/** Flags of ACCEPT; they travel in the entry's priority. */
export const IORING_ACCEPT = {
  /** One completion a connection. */
  MULTISHOT: 1 << 0,
  /** EAGAIN instead of waiting. */
  DONTWAIT: 1 << 1,
  /** Waits for readiness before the first try. */
  POLL_FIRST: 1 << 2,
} as const

/** Flags of TIMEOUT, TIMEOUT_REMOVE and LINK_TIMEOUT. */
export const IORING_TIMEOUT = {
  /** A point in time, not a span. */
  ABS: 1 << 0,
  /** TIMEOUT_REMOVE changes the timeout instead. */
  UPDATE: 1 << 1,
  /** By the clock that goes on during suspend. */
  BOOTTIME: 1 << 2,
  /** By the wall clock. */
  REALTIME: 1 << 3,
  /** TIMEOUT_REMOVE changes a link's timeout instead (`IORING_LINK_TIMEOUT_UPDATE`). */
  LINK_UPDATE: 1 << 4,
  /** Expiry counts as success, so that a link goes on. */
  ETIME_SUCCESS: 1 << 5,
  /** Fires again and again. */
  MULTISHOT: 1 << 6,
  /** The address is the time itself, in nanoseconds. */
  IMMEDIATE_ARG: 1 << 7,
} as const

/** Commands of MSG_RING. */
export const IORING_MSG = {
  /** Posts a completion on the other ring. */
  DATA: 0,
  /** Puts a registered file of this ring into a slot of the other. */
  SEND_FD: 1,
} as const

/** Flags of MSG_RING. */
export const IORING_MSG_RING = {
  /** No completion on the target ring, for `SEND_FD`. */
  CQE_SKIP: 1 << 0,
  /** The target's completion carries the given flags. */
  FLAGS_PASS: 1 << 1,
} as const

/** Flags of FSYNC. */
export const IORING_FSYNC = {
  /** As fdatasync(2). */
  DATASYNC: 1 << 0,
} as const

/** Flags of FIXED_FD_INSTALL. */
export const IORING_FIXED_FD = {
  /** The new descriptor survives execve(2). */
  NO_CLOEXEC: 1 << 0,
} as const

/** Flags of NOP. */
export const IORING_NOP = {
  /** Completes with the given result. */
  INJECT_RESULT: 1 << 0,
  /** Resolves the entry's descriptor, as a file operation would. */
  FILE: 1 << 1,
  /** With FILE: the descriptor is an index into the registered files. */
  FIXED_FILE: 1 << 2,
  /** Resolves the entry's registered buffer. */
  FIXED_BUFFER: 1 << 3,
  /** Completes by task work rather than at once. */
  TW: 1 << 4,
  /** Completes with an entry of 32 bytes. */
  CQE32: 1 << 5,
} as const

/** Flags of URING_CMD. */
export const IORING_URING_CMD = {
  /** Works on a registered buffer. */
  FIXED: 1 << 0,
  /** Picks buffers and posts a completion for each. */
  MULTISHOT: 1 << 1,
} as const

/** Flags of SPLICE and TEE beside those of splice(2). */
export const IORING_SPLICE = {
  /** The source is an index into the registered files (`SPLICE_F_FD_IN_FIXED`). */
  FD_IN_FIXED: 0x80000000,
} as const

/** Commands of URING_CMD on a socket. */
export const SOCKET_URING_OP = {
  /** Bytes that can be received. */
  SIOCINQ: 0,
  /** Bytes not yet sent. */
  SIOCOUTQ: 1,
  GETSOCKOPT: 2,
  SETSOCKOPT: 3,
  TX_TIMESTAMP: 4,
  GETSOCKNAME: 5,
} as const

/** Kinds of attributes that a read or write can carry. */
export const IORING_RW_ATTR_FLAG = {
  /** Protection information, in an `io_uring_attr_pi`. */
  PI: 1 << 0,
} as const

/** Commands of URING_CMD on a block device. */
export const BLOCK_URING_CMD = {
  /** Discards a range. */
  DISCARD: 0x1200,
} as const
