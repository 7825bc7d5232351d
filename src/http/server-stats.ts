/** What a server has done so far. */
export class ServerStats {
  requests = 0
  /** Bytes of responses, heads included. */
  bytes = 0
  /** Transfers of files by mechanism; files that stand ready in memory need none. */
  readonly mechanisms = new Map<string, number>()
  /** Connections that were dropped because their client kept them waiting. */
  timeouts = 0
  /** Times that the certificate was renewed. */
  reloads = 0
  readonly #statuses = new Float64Array(600)

  /** Responses by status. */
  get statuses(): ReadonlyMap<number, number> {
    const seen = [...this.#statuses.entries()].filter(([, count]) => count > 0)
    return new Map(seen)
  }

  /** Notes a response. */
  count(status: number, bytes: number): void {
    this.requests++
    this.bytes += bytes
    this.#statuses[status]++
  }

  /** Notes how a file went out. */
  mechanism(via: string): void {
    this.mechanisms.set(via, (this.mechanisms.get(via) ?? 0) + 1)
  }
}
