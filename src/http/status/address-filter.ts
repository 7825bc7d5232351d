import { BlockList, isIP, isIPv4 } from 'node:net'
import { hostname } from 'node:os'
import { invalidArgType, invalidArgValue, type SocketAddress } from '../../kernel/index.js'

const MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i
/** Stands for every address. */
const ALL = 'all'

function family(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6'
}

/**
 * Whether a `Host` is one by which this server goes. A page of another site can have its own name lead here, and would
 * then be taken by a browser for a page of this server (DNS rebinding); an address, `localhost`, and the names that the
 * operator knows it cannot have.
 */
function isOwnName(host: string, names: ReadonlySet<string>): boolean {
  const name = host.replace(/:\d*$/, '').toLowerCase()
  if (isIPv4(name) || /^\[[0-9a-f:.]+\]$/.test(name)) return true
  return name === 'localhost' || name.endsWith('.localhost') || names.has(name.replace(/\.$/, ''))
}

/** Whether it is a name as it can stand in `Host`, without a port: one with other letters than these is encoded there (xn--). */
function isHostName(name: string): boolean {
  return /^[\w.-]+$/.test(name)
}

function checkTexts(texts: readonly string[], option: string): void {
  if (!Array.isArray(texts)) throw invalidArgType(option, 'an instance of Array', texts)
  for (const [index, text] of texts.entries())
    if (typeof text !== 'string') throw invalidArgType(`${option}[${index}]`, 'of type string', text)
}

/** Which clients may see something: those of this machine, and whom else one names. */
export class AddressFilter {
  readonly #own = new BlockList()
  readonly #list = new BlockList()
  readonly #everybody: boolean
  readonly #names: ReadonlySet<string>

  /**
   * @param allowed addresses, and networks such as `10.0.0.0/8`; `all` for every address, by every name
   * @param names by which it may be asked for, besides the machine's own
   * @param option what both are called
   * @param own where the server listens, by a name or an address
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` for what is none of that
   */
  constructor(allowed: readonly string[], names: readonly string[], option: string, own?: string) {
    checkTexts(names, `${option}.hosts`)
    checkTexts(allowed, `${option}.allow`)
    for (const name of names)
      if (!isHostName(name)) throw invalidArgValue(`${option}.hosts`, name, 'is no name of a host')
    // Whether it is one at all is for whoever listens to say.
    const listening = typeof own === 'string' && isHostName(own) ? [own] : []
    this.#names = new Set(
      [hostname(), ...listening, ...names].map(name => name.toLowerCase().replace(/\.$/, '')),
    )
    this.#own.addSubnet('127.0.0.0', 8, 'ipv4')
    this.#own.addAddress('::1', 'ipv6')
    this.#everybody = allowed.includes(ALL)
    for (const entry of allowed) {
      const [address = '', prefix, ...more] = entry.split('/')
      if (entry === ALL) continue
      const bits = isIPv4(address) ? 32 : 128
      const known = isIP(address) !== 0 && more.length === 0
      if (!known || (prefix !== undefined && !(/^\d+$/.test(prefix) && Number(prefix) <= bits)))
        throw invalidArgValue(`${option}.allow`, entry, 'is no address and no network such as 10.0.0.0/8')
      this.#list.addSubnet(address, prefix === undefined ? bits : Number(prefix), family(address))
    }
  }

  /**
   * Why a client may not; undefined where it may. One of a Unix socket has no address, and is of this machine.
   *
   * @param host that it asked for; its browser may have been led here by the name of another site
   */
  refusal(client: SocketAddress | undefined, host: string | undefined): string | undefined {
    if (this.#everybody || client === undefined || !('address' in client)) return undefined
    const address = client.address.replace(MAPPED, '').replace(/%.*$/, '')
    if (![this.#list, this.#own].some(list => list.check(address, family(address))))
      return 'Only for clients of this machine'
    const known = host === undefined || isOwnName(host, this.#names)
    return known ? undefined : 'Only by a name or an address of this machine'
  }
}
