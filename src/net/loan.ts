/** What a borrower of a connection's descriptor needs; see `Connection.lend()`. */
export interface Loan {
  /** -1 where both halves have ended: then `early` is all there is, and the end comes after it. */
  readonly fd: number
  /** Aborted when the connection fails or is closed meanwhile. */
  readonly gone: AbortSignal
  /** What had been received and not read: it comes before anything that the descriptor gives. */
  readonly early: Uint8Array[]
  /** Counts bytes that were moved by the descriptor: they are bytes of the connection, and put its time-outs off. */
  moved(bytes: number): void
  /** Gives the descriptor back. @param unread what came from it and belongs to the next read */
  release(unread?: readonly Uint8Array[]): void
}

/** A loan that is given back once, however often it is released. @param half whose bytes it moves */
export function loanOf(
  half: { bytes: number },
  facts: Pick<Loan, 'fd' | 'gone' | 'early'>,
  giveBack: (unread: readonly Uint8Array[]) => void,
): Loan {
  let lent = true
  return {
    ...facts,
    moved: bytes => {
      half.bytes += bytes
    },
    release: (unread = []) => {
      if (lent) giveBack(unread)
      lent = false
    },
  }
}
