/** What a server has done so far. */
export class ServerStats {
  requests = 0
  /** Bytes of responses, heads included. */
  bytes = 0
  /** Responses by status. */
  readonly statuses = new Map<number, number>()
  /** Transfers of files by mechanism; files that stand ready in memory need none. */
  readonly mechanisms = new Map<string, number>()
  /** Connections that were dropped because their client kept them waiting. */
  timeouts = 0

  /** Notes a response. */
  count(status: number, bytes: number): void {
    this.requests++
    this.bytes += bytes
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
  }

  /** Notes how a file went out. */
  mechanism(via: string): void {
    this.mechanisms.set(via, (this.mechanisms.get(via) ?? 0) + 1)
  }
}
