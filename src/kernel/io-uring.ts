/**
 * Operations, carried in the first byte of a submission entry.
 *
 * @see io_uring_enter(2)
 */
export const IORING_OP = {
  NOP: 0,
  READV: 1,
  WRITEV: 2,
  FSYNC: 3,
  READ_FIXED: 4,
  WRITE_FIXED: 5,
  POLL_ADD: 6,
  POLL_REMOVE: 7,
  SYNC_FILE_RANGE: 8,
  SENDMSG: 9,
  RECVMSG: 10,
  TIMEOUT: 11,
  TIMEOUT_REMOVE: 12,
  ACCEPT: 13,
  ASYNC_CANCEL: 14,
  LINK_TIMEOUT: 15,
  CONNECT: 16,
  FALLOCATE: 17,
  OPENAT: 18,
  CLOSE: 19,
  FILES_UPDATE: 20,
  STATX: 21,
  READ: 22,
  WRITE: 23,
  FADVISE: 24,
  MADVISE: 25,
  SEND: 26,
  RECV: 27,
  OPENAT2: 28,
  EPOLL_CTL: 29,
  SPLICE: 30,
  PROVIDE_BUFFERS: 31,
  REMOVE_BUFFERS: 32,
  TEE: 33,
  SHUTDOWN: 34,
  RENAMEAT: 35,
  UNLINKAT: 36,
  MKDIRAT: 37,
  SYMLINKAT: 38,
  LINKAT: 39,
  MSG_RING: 40,
  FSETXATTR: 41,
  SETXATTR: 42,
  FGETXATTR: 43,
  GETXATTR: 44,
  SOCKET: 45,
  URING_CMD: 46,
  SEND_ZC: 47,
  SENDMSG_ZC: 48,
  READ_MULTISHOT: 49,
  WAITID: 50,
  FUTEX_WAIT: 51,
  FUTEX_WAKE: 52,
  FUTEX_WAITV: 53,
  FIXED_FD_INSTALL: 54,
  FTRUNCATE: 55,
  BIND: 56,
  LISTEN: 57,
  RECV_ZC: 58,
  EPOLL_WAIT: 59,
  READV_FIXED: 60,
  WRITEV_FIXED: 61,
  PIPE: 62,
  NOP128: 63,
  URING_CMD128: 64,
} as const

/** The name of an operation, as {@link IORING_OP} spells it. */
export type IoUringOperation = keyof typeof IORING_OP

/** Flags of a submission entry, in its second byte. */
export const IOSQE = {
  /** `fd` is an index into the registered files. */
  FIXED_FILE: 1 << 0,
  /** Starts only after everything submitted before it has completed. */
  IO_DRAIN: 1 << 1,
  /** The next entry starts when this one succeeds; a failure or a short transfer cancels the rest. */
  IO_LINK: 1 << 2,
  /** The next entry starts when this one completes, however it does. */
  IO_HARDLINK: 1 << 3,
  /** Goes to a worker thread without a first try on the submitter's. */
  ASYNC: 1 << 4,
  /** The kernel picks the buffer from the entry's buffer group. */
  BUFFER_SELECT: 1 << 5,
  /** Success posts no completion. */
  CQE_SKIP_SUCCESS: 1 << 6,
} as const

/** Flags of io_uring_setup(2). */
export const IORING_SETUP = {
  /** Completions are polled for, not signalled: Direct I/O only. */
  IOPOLL: 1 << 0,
  /** A kernel thread drains the submission queue. */
  SQPOLL: 1 << 1,
  /** That thread is bound to `sq_thread_cpu`. */
  SQ_AFF: 1 << 2,
  /** `cq_entries` is given. */
  CQSIZE: 1 << 3,
  /** Sizes too large are clamped rather than refused. */
  CLAMP: 1 << 4,
  /** Shares the workers of the ring `wq_fd`. */
  ATTACH_WQ: 1 << 5,
  /** Starts disabled, until `IORING_REGISTER.ENABLE_RINGS`. */
  R_DISABLED: 1 << 6,
  /** A bad entry does not stop the batch it stands in. */
  SUBMIT_ALL: 1 << 7,
  /** Completions run when the thread enters the kernel anyway, without an interrupt. */
  COOP_TASKRUN: 1 << 8,
  /** `IORING_SQ.TASKRUN` says that completions wait to be run. */
  TASKRUN_FLAG: 1 << 9,
  /** Submission entries of 128 bytes. */
  SQE128: 1 << 10,
  /** Completion entries of 32 bytes. */
  CQE32: 1 << 11,
  /** Only one thread submits. */
  SINGLE_ISSUER: 1 << 12,
  /** Completions run only inside `enter` with `GETEVENTS`. */
  DEFER_TASKRUN: 1 << 13,
  /** The rings live in memory that the program brought. */
  NO_MMAP: 1 << 14,
  /** Set-up gives a registered index instead of a descriptor. */
  REGISTERED_FD_ONLY: 1 << 15,
  /** No index array between the tail and the entries. */
  NO_SQARRAY: 1 << 16,
  /** With IOPOLL: sleeps a while before it polls. */
  HYBRID_IOPOLL: 1 << 17,
  /** Completion entries of both 16 and 32 bytes. */
  CQE_MIXED: 1 << 18,
  /** Submission entries of both 64 and 128 bytes. */
  SQE_MIXED: 1 << 19,
  /** Each submission starts at entry 0; head and tail are not used. */
  SQ_REWIND: 1 << 20,
} as const

/** What the kernel says it can do, in `io_uring_params.features`. */
export const IORING_FEAT = {
  /** Both rings come in one mapping. */
  SINGLE_MMAP: 1 << 0,
  /** Completions are kept when the queue is full. */
  NODROP: 1 << 1,
  /** What an entry points to may be reused once submitted, unless the operation itself needs it. */
  SUBMIT_STABLE: 1 << 2,
  /** Position -1 means the file's own position. */
  RW_CUR_POS: 1 << 3,
  /** Requests run with the credentials of the submitter. */
  CUR_PERSONALITY: 1 << 4,
  /** Waiting for readiness takes no worker thread. */
  FAST_POLL: 1 << 5,
  /** Poll takes 32 bits of events. */
  POLL_32BITS: 1 << 6,
  /** SQPOLL works with descriptors that are not registered. */
  SQPOLL_NONFIXED: 1 << 7,
  /** `enter` takes a timeout. */
  EXT_ARG: 1 << 8,
  /** Workers are threads of the process. */
  NATIVE_WORKERS: 1 << 9,
  /** Registered resources carry tags. */
  RSRC_TAGS: 1 << 10,
  /** `IOSQE.CQE_SKIP_SUCCESS` is known. */
  CQE_SKIP: 1 << 11,
  /** A linked entry resolves its file when it starts, not at submission. */
  LINKED_FILE: 1 << 12,
  /** `register` takes a registered ring descriptor. */
  REG_REG_RING: 1 << 13,
  /** Send and receive take several provided buffers at once. */
  RECVSEND_BUNDLE: 1 << 14,
  /** `enter` takes a minimum wait. */
  MIN_TIMEOUT: 1 << 15,
  /** Reads and writes take attributes, as protection information. */
  RW_ATTR: 1 << 16,
  /** `IORING_ENTER.NO_IOWAIT` is known. */
  NO_IOWAIT: 1 << 17,
} as const

/** Flags of io_uring_enter(2). */
export const IORING_ENTER = {
  GETEVENTS: 1 << 0,
  SQ_WAKEUP: 1 << 1,
  SQ_WAIT: 1 << 2,
  /** The last argument is an {@link IO_URING_GETEVENTS_ARG}. */
  EXT_ARG: 1 << 3,
  /** The descriptor is an index from `IORING_REGISTER.RING_FDS`. */
  REGISTERED_RING: 1 << 4,
  /** The timeout is a point in time. */
  ABS_TIMER: 1 << 5,
  /** The last argument is an offset into the registered wait region. */
  EXT_ARG_REG: 1 << 6,
  /** The wait does not count as iowait. */
  NO_IOWAIT: 1 << 7,
} as const

/** Flags of the submission queue, written by the kernel. */
export const IORING_SQ = {
  /** The SQPOLL thread sleeps. */
  NEED_WAKEUP: 1 << 0,
  /** Completions wait in the kernel for room in the queue. */
  CQ_OVERFLOW: 1 << 1,
  /** Completions wait for the thread to enter the kernel. */
  TASKRUN: 1 << 2,
} as const

/** Flags of the completion queue, written by the program. */
export const IORING_CQ = {
  /** Completions do not signal the registered eventfd. */
  EVENTFD_DISABLED: 1 << 0,
} as const

/** Flags of a completion. */
export const IORING_CQE_F = {
  /** The upper 16 bits are the id of the buffer that the kernel picked. */
  BUFFER: 1 << 0,
  /** More completions of this request follow. */
  MORE: 1 << 1,
  /** The socket holds more than was received. */
  SOCK_NONEMPTY: 1 << 2,
  /** The notification of a zero-copy send: its memory is free again. */
  NOTIF: 1 << 3,
  /** The picked buffer is only partly used and will come again. */
  BUF_MORE: 1 << 4,
  /** Fills a gap at the queue's end; to be ignored. */
  SKIP: 1 << 5,
  /** This completion has 32 bytes. */
  CQE32: 1 << 15,
  /** With a transmit time stamp: taken by the hardware. */
  TSTAMP_HW: 1 << 16,
} as const

/** Where a completion's flags hold the buffer id: `flags >>> IORING_CQE_BUFFER_SHIFT`. */
export const IORING_CQE_BUFFER_SHIFT = 16

/** Where a transmit time stamp's completion flags hold its type. */
export const IORING_TIMESTAMP_TYPE_SHIFT = 17

/** Offsets for mmap(2) on the ring's descriptor. */
export const IORING_OFF = {
  SQ_RING: 0,
  CQ_RING: 0x8000000,
  SQES: 0x10000000,
  /** Plus the group shifted by {@link IORING_OFF_PBUF_SHIFT}. */
  PBUF_RING: 0x80000000,
} as const

/** How far a buffer group is shifted to make the offset of its ring. */
export const IORING_OFF_PBUF_SHIFT = 16

/** As a file slot: the kernel picks a free one, and the completion's result says which. */
export const IORING_FILE_INDEX_ALLOC = 0xffffffff
