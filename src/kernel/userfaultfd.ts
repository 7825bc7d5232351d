/** What user space and kernel agree on in `UFFDIO_API`. @see ioctl_userfaultfd(2) */
export const UFFD_API = 0xaa

/** Flags of userfaultfd(2) beside `O.CLOEXEC` and `O.NONBLOCK`. */
export const UFFD_USER_MODE_ONLY = 1

/** Features, as bits of `struct uffdio_api`. */
export const UFFD_FEATURE = {
  /** Faults of writes to write-protected pages. */
  PAGEFAULT_FLAG_WP: 1 << 0,
  /** An event when the process forks; needs CAP_SYS_PTRACE. */
  EVENT_FORK: 1 << 1,
  /** An event when memory is moved. */
  EVENT_REMAP: 1 << 2,
  /** An event when pages are discarded. */
  EVENT_REMOVE: 1 << 3,
  /** Missing pages of hugetlbfs. */
  MISSING_HUGETLBFS: 1 << 4,
  /** Missing pages of shared memory. */
  MISSING_SHMEM: 1 << 5,
  /** An event when memory is unmapped. */
  EVENT_UNMAP: 1 << 6,
  /** A signal instead of an event. */
  SIGBUS: 1 << 7,
  /** Events tell the thread. */
  THREAD_ID: 1 << 8,
  /** Minor faults on hugetlbfs: the page is in the cache and not yet in the table. */
  MINOR_HUGETLBFS: 1 << 9,
  /** Minor faults on shared memory. */
  MINOR_SHMEM: 1 << 10,
  /** Events tell the address to the byte. */
  EXACT_ADDRESS: 1 << 11,
  /** Write protection on hugetlbfs and shared memory. */
  WP_HUGETLBFS_SHMEM: 1 << 12,
  /** Write protection of pages that are not there yet. */
  WP_UNPOPULATED: 1 << 13,
  /** Pages can be declared lost. */
  POISON: 1 << 14,
  /** The kernel resolves write-protect faults by itself and remembers who was written. */
  WP_ASYNC: 1 << 15,
  /** Pages can be moved instead of copied. */
  MOVE: 1 << 16,
} as const

/** The kernel that brought each feature. */
export const UFFD_FEATURE_SINCE: Readonly<Record<keyof typeof UFFD_FEATURE, string>> = {
  PAGEFAULT_FLAG_WP: '5.7',
  EVENT_FORK: '4.11',
  EVENT_REMAP: '4.11',
  EVENT_REMOVE: '4.11',
  MISSING_HUGETLBFS: '4.11',
  MISSING_SHMEM: '4.11',
  EVENT_UNMAP: '4.11',
  SIGBUS: '4.14',
  THREAD_ID: '4.14',
  MINOR_HUGETLBFS: '5.13',
  MINOR_SHMEM: '5.14',
  EXACT_ADDRESS: '5.18',
  WP_HUGETLBFS_SHMEM: '5.19',
  WP_UNPOPULATED: '6.4',
  POISON: '6.6',
  WP_ASYNC: '6.7',
  MOVE: '6.8',
}

/** `struct uffdio_api` in bytes. */
export const UFFDIO_API_LAYOUT = { API: 0, FEATURES: 8, IOCTLS: 16, SIZE: 24 } as const

/** Requests of ioctl(2): `NEW` on /dev/userfaultfd, the others on what it or userfaultfd(2) gives. */
export const UFFD_IOCTL = { NEW: 0xaa00, API: 0xc018aa3f } as const
