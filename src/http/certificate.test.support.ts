import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** A certificate and its key as files. */
export interface Identity {
  cert: string
  key: string
}

/** Makes a certificate for localhost that lasts a day; undefined where there is no openssl. */
export function makeIdentity(folder: string, name: string): Identity | undefined {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const about = ['-days', '1', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  try {
    execFileSync('openssl', [...kind, ...about, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    return { cert, key }
  } catch {
    return undefined
  }
}
