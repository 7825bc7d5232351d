import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { invalidArgValue } from '../kernel/index.js'

/** A numeric address, and its family. */
export interface HostAddress {
  address: string
  family: 4 | 6
}

/**
 * The addresses of a host, by the system's own resolver.
 *
 * @param family 0 for both
 * @throws the error of dns.lookup(): `ENOTFOUND`, `EAI_AGAIN`
 */
export async function resolveHost(host: string, family: 0 | 4 | 6 = 0): Promise<HostAddress[]> {
  if (host === '') throw invalidArgValue('options.host', host, 'must not be empty')
  const kind = isIP(host)
  if (kind !== 0) return [{ address: host, family: kind as 4 | 6 }]
  const found = await lookup(host, { all: true, family })
  return found as HostAddress[]
}
