/** `struct io_uring_sqe` in 32-bit words. A 64-bit field starts with its low word. */
export const SQE_WORD = {
  /** Operation (8 bits), `IOSQE` flags (8 bits), priority or operation flags (16 bits). */
  HEAD: 0,
  FD: 1,
  /** Offset, or the second address. */
  OFF: 2,
  OFF_HIGH: 3,
  ADDR: 4,
  ADDR_HIGH: 5,
  LEN: 6,
  /** The operation's flags. */
  OP_FLAGS: 7,
  USER_DATA: 8,
  USER_DATA_HIGH: 9,
  /** Buffer index or group (16 bits), personality (16 bits). */
  BUFFER: 10,
  /** Second descriptor, file slot plus one, option or address length. */
  FILE_INDEX: 11,
  ADDR3: 12,
  ADDR3_HIGH: 13,
  /** Attribute kinds, or the rest of a command. */
  PAD: 14,
  PAD_HIGH: 15,
} as const

/** `struct io_uring_cqe` in bytes. */
export const IO_URING_CQE = { USER_DATA: 0, RES: 8, FLAGS: 12, BIG_CQE: 16, SIZE: 16 } as const

/** `struct io_uring_params` in bytes; `SQ_OFF` and `CQ_OFF` begin the two offset tables. */
export const IO_URING_PARAMS = {
  SQ_ENTRIES: 0,
  CQ_ENTRIES: 4,
  FLAGS: 8,
  SQ_THREAD_CPU: 12,
  SQ_THREAD_IDLE: 16,
  FEATURES: 20,
  WQ_FD: 24,
  SQ_OFF: 40,
  CQ_OFF: 80,
  SIZE: 120,
} as const

/** `struct io_sqring_offsets` in bytes, each field saying where in the mapping a part stands. */
export const IO_SQRING_OFFSETS = {
  HEAD: 0,
  TAIL: 4,
  RING_MASK: 8,
  RING_ENTRIES: 12,
  FLAGS: 16,
  DROPPED: 20,
  ARRAY: 24,
  USER_ADDR: 32,
  SIZE: 40,
} as const

/** `struct io_cqring_offsets` in bytes, each field saying where in the mapping a part stands. */
export const IO_CQRING_OFFSETS = {
  HEAD: 0,
  TAIL: 4,
  RING_MASK: 8,
  RING_ENTRIES: 12,
  OVERFLOW: 16,
  CQES: 20,
  FLAGS: 24,
  USER_ADDR: 32,
  SIZE: 40,
} as const

/** `struct io_uring_probe` in bytes; `OPS` begins an array of {@link IO_URING_PROBE_OP}. */
export const IO_URING_PROBE = { LAST_OP: 0, OPS_LEN: 1, OPS: 16, SIZE: 16 } as const

/** `struct io_uring_probe_op` in bytes. */
export const IO_URING_PROBE_OP = { OP: 0, FLAGS: 2, SIZE: 8 } as const

/** `struct io_uring_files_update` in bytes. */
export const IO_URING_FILES_UPDATE = { OFFSET: 0, RESV: 4, FDS: 8, SIZE: 16 } as const

/** `struct io_uring_rsrc_register` in bytes. */
export const IO_URING_RSRC_REGISTER = { NR: 0, FLAGS: 4, RESV2: 8, DATA: 16, TAGS: 24, SIZE: 32 } as const

/** `struct io_uring_rsrc_update` in bytes; also what RING_FDS takes, with the descriptor as data. */
export const IO_URING_RSRC_UPDATE = { OFFSET: 0, RESV: 4, DATA: 8, SIZE: 16 } as const

/** `struct io_uring_rsrc_update2` in bytes. */
export const IO_URING_RSRC_UPDATE2 = {
  OFFSET: 0,
  RESV: 4,
  DATA: 8,
  TAGS: 16,
  NR: 24,
  RESV2: 28,
  SIZE: 32,
} as const

/** `struct io_uring_restriction` in bytes. */
export const IO_URING_RESTRICTION = { OPCODE: 0, OPERAND: 2, SIZE: 16 } as const

/** `struct io_uring_clock_register` in bytes. */
export const IO_URING_CLOCK_REGISTER = { CLOCKID: 0, SIZE: 16 } as const

/** `struct io_uring_clone_buffers` in bytes. */
export const IO_URING_CLONE_BUFFERS = {
  SRC_FD: 0,
  FLAGS: 4,
  SRC_OFF: 8,
  DST_OFF: 12,
  NR: 16,
  SIZE: 32,
} as const

/** `struct io_uring_buf` in bytes. */
export const IO_URING_BUF = { ADDR: 0, LEN: 8, BID: 12, RESV: 14, SIZE: 16 } as const

/** `struct io_uring_buf_ring` in bytes: the tail lies over the unused part of the first buffer. */
export const IO_URING_BUF_RING = { TAIL: 14 } as const

/** `struct io_uring_buf_reg` in bytes. */
export const IO_URING_BUF_REG = {
  RING_ADDR: 0,
  RING_ENTRIES: 8,
  BGID: 12,
  FLAGS: 14,
  MIN_LEFT: 16,
  SIZE: 40,
} as const

/** `struct io_uring_buf_status` in bytes. */
export const IO_URING_BUF_STATUS = { BUF_GROUP: 0, HEAD: 4, SIZE: 40 } as const

/** `struct io_uring_napi` in bytes. */
export const IO_URING_NAPI_REG = {
  BUSY_POLL_TO: 0,
  PREFER_BUSY_POLL: 4,
  OPCODE: 5,
  OP_PARAM: 8,
  SIZE: 16,
} as const

/** `struct io_uring_region_desc` in bytes. */
export const IO_URING_REGION_DESC = {
  USER_ADDR: 0,
  SIZE_BYTES: 8,
  FLAGS: 16,
  ID: 20,
  MMAP_OFFSET: 24,
  SIZE: 64,
} as const

/** `struct io_uring_mem_region_reg` in bytes. */
export const IO_URING_MEM_REGION_REG = { REGION_UPTR: 0, FLAGS: 8, SIZE: 32 } as const

/** `struct io_uring_reg_wait` in bytes. */
export const IO_URING_REG_WAIT = {
  TS: 0,
  MIN_WAIT_USEC: 16,
  FLAGS: 20,
  SIGMASK: 24,
  SIGMASK_SZ: 32,
  SIZE: 64,
} as const

/** `struct io_uring_getevents_arg` in bytes. */
export const IO_URING_GETEVENTS_ARG = {
  SIGMASK: 0,
  SIGMASK_SZ: 8,
  MIN_WAIT_USEC: 12,
  TS: 16,
  SIZE: 24,
} as const

/** `struct io_uring_sync_cancel_reg` in bytes; a timeout of all ones waits for ever. */
export const IO_URING_SYNC_CANCEL_REG = {
  ADDR: 0,
  FD: 8,
  FLAGS: 12,
  TIMEOUT: 16,
  OPCODE: 32,
  SIZE: 64,
} as const

/** `struct io_uring_file_index_range` in bytes. */
export const IO_URING_FILE_INDEX_RANGE = { OFF: 0, LEN: 4, SIZE: 16 } as const

/** `struct io_uring_recvmsg_out` in bytes: what a multishot recvmsg puts before name, control and payload. */
export const IO_URING_RECVMSG_OUT = {
  NAMELEN: 0,
  CONTROLLEN: 4,
  PAYLOADLEN: 8,
  FLAGS: 12,
  SIZE: 16,
} as const

/** `struct io_uring_attr_pi` in bytes. */
export const IO_URING_ATTR_PI = {
  FLAGS: 0,
  APP_TAG: 2,
  LEN: 4,
  ADDR: 8,
  SEED: 16,
  SIZE: 32,
} as const

/** `struct io_uring_zcrx_rqe` in bytes: a refill entry. */
export const IO_URING_ZCRX_RQE = { OFF: 0, LEN: 8, SIZE: 16 } as const

/** `struct io_uring_zcrx_cqe` in bytes, behind the completion it belongs to. */
export const IO_URING_ZCRX_CQE = { OFF: 0, SIZE: 16 } as const

/** Where a zero-copy receive offset holds its area. */
export const IORING_ZCRX_AREA_SHIFT = 48

/** `struct io_uring_zcrx_offsets` in bytes. */
export const IO_URING_ZCRX_OFFSETS = { HEAD: 0, TAIL: 4, RQES: 8, SIZE: 32 } as const

/** `struct io_uring_zcrx_area_reg` in bytes. */
export const IO_URING_ZCRX_AREA_REG = {
  ADDR: 0,
  LEN: 8,
  RQ_AREA_TOKEN: 16,
  FLAGS: 24,
  DMABUF_FD: 28,
  SIZE: 48,
} as const

/** `struct io_uring_zcrx_ifq_reg` in bytes. */
export const IO_URING_ZCRX_IFQ_REG = {
  IF_IDX: 0,
  IF_RXQ: 4,
  RQ_ENTRIES: 8,
  FLAGS: 12,
  AREA_PTR: 16,
  REGION_PTR: 24,
  OFFSETS: 32,
  ZCRX_ID: 64,
  RX_BUF_LEN: 68,
  SIZE: 96,
} as const
