/** Flags of splice(2), tee(2) and vmsplice(2). */
export const SPLICE_F = {
  /** A hint without effect. */
  MOVE: 1,
  /** Does not wait for a pipe; the other descriptor still can. */
  NONBLOCK: 2,
  /** More follows: do not send a small segment yet. */
  MORE: 4,
  /** With vmsplice: the pages are given away. */
  GIFT: 8,
} as const
