import { createPrivateKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { invalidArgType, invalidArgValue, SluiceError } from '../kernel/index.js'

/** What a server proves itself with. */
export interface TlsOptions {
  /** The certificate, and those that lead to the authority's behind it, as PEM: a file's path, or the bytes. */
  cert: string | Uint8Array
  /** The certificate's private key, as PEM: a file's path, or the bytes. */
  key: string | Uint8Array
  /** What the key is encrypted with, if it is. */
  passphrase?: string
  /** The oldest version that is spoken; TLS 1.2 by default. */
  minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** 48 bytes that session tickets are made with: servers that have them in common resume each other's sessions. */
  ticketKeys?: Uint8Array
}

const MIN_VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const TICKET_KEY_BYTES = 48
/** How often the files are looked at, in milliseconds. */
const LOOK_MS = 1000
/** How PEM says that a key is encrypted: of PKCS#8, and in the older form. @see RFC 7468, section 11; RFC 1421 */
const ENCRYPTED = /^(?:-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED)/m

/** @throws the system error of a file that cannot be read, with its path */
function load(source: string | Uint8Array): Buffer {
  return typeof source === 'string' ? readFileSync(source) : Buffer.from(source)
}

const nameOf = (source: string | Uint8Array, what: string) =>
  typeof source === 'string' ? `'${source}'` : `what was given as ${what}`

function attempt<T>(message: string, action: () => T): T {
  try {
    return action()
  } catch (cause) {
    throw new SluiceError('ERR_SLUICE_CERTIFICATE', `${message}: ${(cause as Error).message}`, { cause })
  }
}

/** @throws `ERR_SLUICE_CERTIFICATE` */
function privateKeyOf(key: Buffer, passphrase: string | undefined, name: string): KeyObject {
  try {
    return createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (cause) {
    // OpenSSL would say "interrupted or cancelled".
    const message =
      passphrase === undefined && ENCRYPTED.test(key.toString('latin1'))
        ? `The key in ${name} is encrypted, and there is no passphrase`
        : `${name} holds no private key that can be used: ${(cause as Error).message}`
    throw new SluiceError('ERR_SLUICE_CERTIFICATE', message, { cause })
  }
}

/**
 * Reads a certificate and its key and sees whether they belong together.
 *
 * @throws the system error of a file that cannot be read; `ERR_SLUICE_CERTIFICATE`
 */
function usable(options: TlsOptions, ticketKeys: Buffer): SecureContextOptions {
  const { passphrase } = options
  const cert = load(options.cert)
  const key = load(options.key)
  const certName = nameOf(options.cert, 'cert')
  const keyName = nameOf(options.key, 'key')
  const certificate = attempt(`${certName} holds no certificate`, () => new X509Certificate(cert))
  const secret = passphrase === undefined ? {} : { passphrase }
  const privateKey = privateKeyOf(key, passphrase, keyName)
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new SluiceError(
      'ERR_SLUICE_CERTIFICATE',
      `The key in ${keyName} does not belong to the certificate in ${certName}`,
    )
  }
  const { minVersion = MIN_VERSIONS[0] } = options
  const context = { cert, key, ...secret, ticketKeys, minVersion }
  attempt(`${certName} and ${keyName} are refused`, () => createSecureContext(context))
  return context
}

/** A server's certificate, which can be renewed while it serves: connections that are open keep the one they had. */
export class Certificates {
  readonly #options: TlsOptions
  readonly #ticketKeys: Buffer
  readonly #files: readonly string[]
  #context: SecureContextOptions
  #listener: (() => void) | undefined

  /** @throws as `read()`; `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` */
  constructor(options: TlsOptions) {
    for (const name of ['cert', 'key'] as const) {
      const value = options?.[name]
      if (typeof value !== 'string' && !(value instanceof Uint8Array))
        throw invalidArgType(`options.tls.${name}`, 'of type string or an instance of Uint8Array', value)
    }
    const { minVersion } = options
    if (minVersion !== undefined && !MIN_VERSIONS.includes(minVersion))
      throw invalidArgValue('options.tls.minVersion', minVersion, `is not ${MIN_VERSIONS.join(' or ')}`)
    this.#options = options
    this.#ticketKeys = Buffer.from(options.ticketKeys ?? randomBytes(TICKET_KEY_BYTES))
    this.#files = [options.cert, options.key].filter(source => typeof source === 'string')
    this.#context = usable(options, this.#ticketKeys)
  }

  /** For new connections. */
  get context(): SecureContextOptions {
    return this.#context
  }

  /**
   * Reads the files again, without taking what they hold: that is for {@link take}.
   *
   * @throws the system error of a file that cannot be read; `ERR_SLUICE_CERTIFICATE` where they hold no certificate and
   *   key that belong together
   */
  read(): SecureContextOptions {
    return usable(this.#options, this.#ticketKeys)
  }

  /** Takes what was read, for connections from now on. */
  take(context: SecureContextOptions): void {
    this.#context = context
  }

  /**
   * Tells of changed files, from now on until `unwatch()`. They are looked at every second rather than watched by
   * inotify: whoever renews certificates puts links in their place, on file systems of every kind.
   */
  watch(changed: () => void): void {
    this.#listener = changed
    for (const file of this.#files) watchFile(file, { persistent: false, interval: LOOK_MS }, changed)
  }

  /** Looks at the files no more. */
  unwatch(): void {
    if (this.#listener === undefined) return
    for (const file of this.#files) unwatchFile(file, this.#listener)
    this.#listener = undefined
  }
}
