/** A kibibyte in bytes. */
export const KIB = 1024
/** A mebibyte in bytes. */
export const MIB = 1024 * KIB
/** What the page cache deals in on most machines, and what databases read at random. */
export const PAGE = 4 * KIB
