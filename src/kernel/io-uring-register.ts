/**
 * Operations of io_uring_register(2).
 *
 * @see io_uring_register(2)
 */
export const IORING_REGISTER = {
  BUFFERS: 0,
  UNREGISTER_BUFFERS: 1,
  FILES: 2,
  UNREGISTER_FILES: 3,
  EVENTFD: 4,
  UNREGISTER_EVENTFD: 5,
  FILES_UPDATE: 6,
  EVENTFD_ASYNC: 7,
  PROBE: 8,
  PERSONALITY: 9,
  UNREGISTER_PERSONALITY: 10,
  RESTRICTIONS: 11,
  ENABLE_RINGS: 12,
  FILES2: 13,
  FILES_UPDATE2: 14,
  BUFFERS2: 15,
  BUFFERS_UPDATE: 16,
  IOWQ_AFF: 17,
  UNREGISTER_IOWQ_AFF: 18,
  IOWQ_MAX_WORKERS: 19,
  RING_FDS: 20,
  UNREGISTER_RING_FDS: 21,
  PBUF_RING: 22,
  UNREGISTER_PBUF_RING: 23,
  SYNC_CANCEL: 24,
  FILE_ALLOC_RANGE: 25,
  PBUF_STATUS: 26,
  NAPI: 27,
  UNREGISTER_NAPI: 28,
  CLOCK: 29,
  CLONE_BUFFERS: 30,
  SEND_MSG_RING: 31,
  ZCRX_IFQ: 32,
  RESIZE_RINGS: 33,
  MEM_REGION: 34,
  QUERY: 35,
  ZCRX_CTRL: 36,
  BPF_FILTER: 37,
  /** Added to the operation: the descriptor is an index from `RING_FDS`. */
  USE_REGISTERED_RING: 0x80000000,
} as const

/** Flags of `FILES2` and `BUFFERS2`. */
export const IORING_RSRC_REGISTER = {
  /** All slots start empty. */
  SPARSE: 1 << 0,
} as const

/** In the list of a file update: leave this slot as it is. */
export const IORING_REGISTER_FILES_SKIP = -2

/** In the answer of `PROBE`: the operation is supported. */
export const IO_URING_OP_SUPPORTED = 1 << 0

/** Flags of `PBUF_RING`. */
export const IOU_PBUF_RING = {
  /** The kernel allocates the ring; map it at `IORING_OFF.PBUF_RING`. */
  MMAP: 1 << 0,
  /** Buffers are used up piece by piece. */
  INC: 1 << 1,
} as const

/** Flags of `CLONE_BUFFERS`. */
export const IORING_REGISTER_CLONE = {
  /** The source is an index into the registered rings (`IORING_REGISTER_SRC_REGISTERED`). */
  SRC_REGISTERED: 1 << 0,
  /** Buffers that are in the way are replaced (`IORING_REGISTER_DST_REPLACE`). */
  DST_REPLACE: 1 << 1,
} as const

/** Kinds of workers, as `IOWQ_MAX_WORKERS` indexes them. */
export const IO_WQ = {
  /** For regular files and block devices. */
  BOUND: 0,
  /** For everything that may wait without limit. */
  UNBOUND: 1,
} as const

/** What a restriction limits. */
export const IORING_RESTRICTION = {
  REGISTER_OP: 0,
  SQE_OP: 1,
  SQE_FLAGS_ALLOWED: 2,
  SQE_FLAGS_REQUIRED: 3,
} as const

/** Flags of `MEM_REGION`, and of the region itself. */
export const IORING_MEM_REGION = {
  /** The region is the program's memory (`IORING_MEM_REGION_TYPE_USER`). */
  TYPE_USER: 1 << 0,
  /** The region holds wait arguments (`IORING_MEM_REGION_REG_WAIT_ARG`). */
  REG_WAIT_ARG: 1 << 0,
} as const

/** Flags of a registered wait argument. */
export const IORING_REG_WAIT = {
  /** Its time is set. */
  TS: 1 << 0,
} as const

/** Strategies of `NAPI`, in its operation parameter. */
export const IO_URING_NAPI = {
  TRACKING_DYNAMIC: 0,
  TRACKING_STATIC: 1,
  TRACKING_INACTIVE: 255,
} as const

/** Flags of `ZCRX_IFQ`. */
export const ZCRX_REG = {
  IMPORT: 1 << 0,
  /** Without a network device: everything is copied. */
  NODEV: 1 << 1,
} as const

/** Flags of a zero-copy receive area. */
export const IORING_ZCRX_AREA = {
  DMABUF: 1 << 0,
} as const

/** Commands of `ZCRX_CTRL`. */
export const ZCRX_CTRL = {
  FLUSH_RQ: 0,
  EXPORT: 1,
} as const
