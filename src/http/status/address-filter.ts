import { BlockList, isIP, isIPv4 } from 'node:net'
import { invalidArgValue, type SocketAddress } from '../../kernel/index.js'

const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i
/** Stands for every address. */
const ALL = 'all'

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6'
}

/** Which clients may see something: those of this machine, and whom else one names. */
export class AddressFilter {
  readonly #list = new BlockList()
  readonly #everybody: boolean

  /**
   * @param allowed addresses, and networks such as `10.0.0.0/8`; `all` for every address
   * @throws `ERR_INVALID_ARG_VALUE` for what is neither
   */
  constructor(allowed: readonly string[], option: string) {
    this.#list.addSubnet('127.0.0.0', 8, 'ipv4')
    this.#list.addAddress('::1', 'ipv6')
    this.#everybody = allowed.includes(ALL)
    for (const entry of allowed) {
      const [address = '', prefix, ...more] = entry.split('/')
      if (entry === ALL) continue
      const bits = isIPv4(address) ? 32 : 128
      const known = isIP(address) !== 0 && more.length === 0
      if (!known || (prefix !== undefined && !(/^\d+$/.test(prefix) && Number(prefix) <= bits)))
        throw invalidArgValue(option, entry, 'is no address and no network such as 10.0.0.0/8')
      this.#list.addSubnet(address, prefix === undefined ? bits : Number(prefix), family(address))
    }
  }

  /** Whether a client may. One of a Unix socket has no address and is of this machine. */
  allows(client: SocketAddress | undefined): boolean {
    if (this.#everybody || client === undefined || !('address' in client)) return true
    const address = client.address.replace(MAPPED, '').replace(/%.*$/, '')
    return this.#list.check(address, family(address))
  }
}
