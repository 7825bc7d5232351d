/** A kibibyte in bytes. */
export const KIB = 1024
/** A mebibyte in bytes. */
export const MIB = 1024 * KIB
/** What the page cache deals in on most machines, and what databases read at random. */
export const PAGE = 4 * KIB

/** A message of the rows over connections. */
export const ECHO_BYTES = 64
/** Connections that keep an event loop busy, and messages that are sent together. */
export const MANY = 64
/** Connections that may have a thread each. */
export const FEW = 8
/** How often the kernel copies a byte that is sent to another process. */
export const SOCKET_COPIES = {
  copies: 2,
  copiesWhy: 'into the socket and, at the other end, out of it',
} as const
