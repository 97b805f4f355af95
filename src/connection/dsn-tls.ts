import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { InvalidDsnError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { ConnectionTarget } from './connection.ts'

type Tls = ConnectionTarget['tls']
type FileParameter = 'sslrootcert' | 'sslcert' | 'sslkey'

const MODES: readonly Tls['mode'][] = ['disable', 'require', 'verify-ca', 'verify-full']
/** Bytes of a file with certificates: one of all authorities there are has a quarter of that. */
const MAX_PEM_BYTES = 1_048_576
/** `sslrootcert=system`: the authorities that the runtime trusts. */
const SYSTEM = 'system'

/**
 * The TLS that a connection string asks for, in the words of libpq.
 * @throws {InvalidDsnError} for a mode that may fall back to no TLS, and for files that cannot be used.
 */
export function tlsOfDsn(host: string, parameters: ReadonlyMap<string, string>): Tls {
  const ca = parameters.get('sslrootcert')
  const mode = modeOf(parameters.get('sslmode') ?? defaultMode(host), ca)
  const clientCert = clientCertificate(parameters.get('sslcert'), parameters.get('sslkey'))
  if (mode === 'disable' && (ca !== undefined || clientCert))
    throw fault('sslmode', 'without TLS there is no use for sslrootcert, sslcert and sslkey')
  if (mode !== 'disable' && host.startsWith('/')) throw fault('sslmode', 'a Unix socket carries no TLS')
  return {
    mode,
    ...(ca === undefined || ca === SYSTEM ? {} : { ca: readPem('sslrootcert', ca, 'CERTIFICATE') }),
    ...(clientCert ? { clientCert } : {}),
  }
}

function fault(parameter: string, why: string): InvalidDsnError {
  return new InvalidDsnError(`The connection string is not valid: the parameter ${parameter}: ${why}.`)
}

function defaultMode(host: string): Tls['mode'] {
  const isLoopback = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  return isLoopback || host.startsWith('/') ? 'disable' : 'verify-full'
}

function modeOf(text: string, ca: string | undefined): Tls['mode'] {
  if (text === 'allow' || text === 'prefer')
    throw fault('sslmode', `${text} may fall back to no TLS; use ${MODES.join(', ')}`)
  const mode = MODES.find((known) => known === text)
  if (!mode) throw fault('sslmode', `it is one of ${MODES.join(', ')}`)
  if (ca === SYSTEM && mode !== 'verify-full') throw fault('sslrootcert', 'system needs sslmode=verify-full')
  // As libpq does: whoever names an authority wants it asked.
  return mode === 'require' && ca !== undefined ? 'verify-ca' : mode
}

function clientCertificate(certificate: string | undefined, key: string | undefined): Tls['clientCert'] {
  if (certificate === undefined && key === undefined) return undefined
  if (certificate === undefined) throw fault('sslcert', 'it is missing beside sslkey')
  if (key === undefined) throw fault('sslkey', 'it is missing beside sslcert')
  return {
    certificate: readPem('sslcert', certificate, 'CERTIFICATE'),
    key: new Secret(readPem('sslkey', key, 'PRIVATE KEY')),
  }
}

/** Nothing but PEM is taken, so that no other file of this machine ends up in a record. */
function readPem(parameter: FileParameter, path: string, what: string): string {
  let text: string | undefined
  try {
    // A device or a pipe would keep the whole process waiting, or never end; files of /proc say that they are empty.
    const file = statSync(path)
    const mayBe = file.isFile() && file.size > 0 && file.size <= MAX_PEM_BYTES
    text = mayBe ? readFileSync(path, 'utf8') : undefined
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw fault(parameter, `its file cannot be read (${code})`)
  }
  if (text === undefined)
    throw fault(parameter, 'it names no file of certificates or keys, which has 1 MiB at most')
  if (!new RegExp(`-----BEGIN ([A-Z]+ )?${what}-----`).test(text) || text.includes('ENCRYPTED'))
    throw fault(parameter, `its file holds no plain PEM ${what}`)
  return text
}
