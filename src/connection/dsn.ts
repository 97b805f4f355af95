import { isIP } from 'node:net'
import { InvalidDsnError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { ConnectionTarget } from './connection.ts'
import { tlsOfDsn } from './dsn-tls.ts'

/** A connection string, understood whole. `settings` holds what it says of the session. */
export interface ParsedDsn extends ConnectionTarget {
  readonly settings: Readonly<Record<string, string>>
}

const DEFAULT_PORT = 5432
const MAX_NAME_BYTES = 63

/** Parameters that we honour; every other is refused by its name. */
const PARAMETERS = [
  'host',
  'port',
  'application_name',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
] as const
type Parameter = (typeof PARAMETERS)[number]

/** What to say of well-known parameters that are refused. */
const ALTERNATIVES: Readonly<Record<string, string>> = {
  connect_timeout: 'it is a setting of the router (connectTimeoutMs)',
  options: 'session settings belong to the role (ALTER ROLE … SET)',
  user: 'write it before the @',
  password: 'write it before the @',
  dbname: 'write it as the path',
  channel_binding: 'it is not offered, use sslmode=verify-full',
  sslnegotiation: 'TLS is asked for the classic way',
  target_session_attrs: 'name the primary',
  pgbouncer: 'say it of the server (via)',
}

/**
 * Reads `postgres://user:password@host:port/database?parameters` strictly: what we cannot honour is refused
 * by name instead of ignored. Reads the files that `sslrootcert`, `sslcert` and `sslkey` name. Without
 * `sslmode` TLS is verified in full, but off for loopback and Unix sockets.
 * @throws {InvalidDsnError} that names the part at fault and repeats nothing of what it holds.
 */
export function parseDsn(text: string): ParsedDsn {
  const parts = splitDsn(text)
  const parameters = readParameters(parts.query)
  const [user = '', ...afterColon] = parts.userinfo.split(':')
  const password = decoded('the password', afterColon.join(':'))
  const authority = readHost(parts.host)
  const host = hostOf(authority.host, parameters.get('host'))
  return {
    host,
    port: portOf(authority.port, parameters.get('port')),
    user: nameOf('the user', user),
    password: password === '' ? undefined : new Secret(password),
    database: nameOf('the database', parts.database),
    tls: tlsOfDsn(host, parameters),
    settings: settingsOf(parameters),
  }
}

function fault(part: string, why: string): InvalidDsnError {
  return new InvalidDsnError(`The connection string is not valid: ${part}: ${why}.`)
}

interface DsnParts {
  readonly userinfo: string
  readonly host: string
  readonly database: string
  readonly query: string
}

function splitDsn(text: string): DsnParts {
  const match = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text.trim())
  if (!match) throw fault('the form', 'postgres://user:password@host:port/database, with # written %23')
  const [, authority = '', database = '', query = ''] = match
  // A raw / or ? in a password ends up behind the host, where it would be named as something else.
  if (database.includes('@') || query.includes('@') || authority.split('@').length > 2)
    throw fault('the user or the password', 'in them @ is written %40, / %2F and ? %3F; elsewhere @ is %40')
  const at = authority.indexOf('@')
  if (at === -1) throw fault('the user', 'it is missing')
  return { userinfo: authority.slice(0, at), host: authority.slice(at + 1), database, query }
}

function decoded(part: string, text: string): string {
  let plain: string
  try {
    plain = decodeURIComponent(text)
  } catch {
    // The cause would repeat the text.
    throw fault(part, 'it holds a % that begins no percent-encoding; % itself is %25')
  }
  if (/\p{Cc}/u.test(plain)) throw fault(part, 'it holds a control character')
  return plain
}

function nameOf(part: string, text: string): string {
  const name = decoded(part, text)
  if (name === '') throw fault(part, 'it is missing')
  if (Buffer.byteLength(name) > MAX_NAME_BYTES)
    throw fault(part, `it has more than ${MAX_NAME_BYTES} bytes, which Postgres would cut`)
  return name
}

/** `host:port`, where an IPv6 address stands in brackets. */
function readHost(text: string): { readonly host: string; readonly port: string } {
  if (text.includes(',')) throw fault('the host', 'a list of hosts is not supported, name one')
  const match = /^(\[[^\]]*\]|[^:[\]]*)(?::([^:]*))?$/.exec(text)
  if (!match) throw fault('the host', 'an IPv6 address stands in brackets')
  return { host: match[1] ?? '', port: match[2] ?? '' }
}

function hostOf(authority: string, parameter: string | undefined): string {
  if (authority.startsWith('[')) {
    const address = decoded('the host', authority.slice(1, -1))
    if (isIP(address.split('%')[0] ?? '') !== 6) throw fault('the host', 'no IPv6 address in the brackets')
    return address
  }
  const host = decoded('the host', authority)
  if (host !== '' && parameter !== undefined) throw fault('the host', 'it is given twice')
  const chosen = parameter ?? host
  if (chosen === '') throw fault('the host', 'it is missing')
  if (chosen.includes(',')) throw fault('the host', 'a list of hosts is not supported, name one')
  if (!chosen.startsWith('/') && !/^[\w.-]+$/.test(chosen) && isIP(chosen) === 0)
    throw fault('the host', 'neither a host name, nor an address, nor the folder of a Unix socket')
  return chosen
}

function portOf(authority: string, parameter: string | undefined): number {
  if (authority !== '' && parameter !== undefined) throw fault('the port', 'it is given twice')
  const text = parameter ?? authority
  if (text === '') return DEFAULT_PORT
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65_535) throw fault('the port', 'a whole number from 1 to 65535')
  return port
}

function readParameters(query: string): ReadonlyMap<Parameter, string> {
  const parameters = new Map<Parameter, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const [name = '', ...value] = pair.split('=')
    const known = PARAMETERS.find((parameter) => parameter === name)
    if (known === undefined) throw unknownParameter(name)
    if (parameters.has(known)) throw fault(`the parameter ${known}`, 'it is given twice')
    parameters.set(known, decoded(`the parameter ${known}`, value.join('=')))
  }
  return parameters
}

function unknownParameter(name: string): InvalidDsnError {
  // What does not look like a name may be a piece of a secret.
  const shown = /^[a-z][a-z_]{0,40}$/i.test(name) ? `the parameter ${name}` : 'a parameter'
  return fault(shown, ALTERNATIVES[name] ?? `it is not known; known are ${PARAMETERS.join(', ')}`)
}

function settingsOf(parameters: ReadonlyMap<Parameter, string>): Readonly<Record<string, string>> {
  const name = parameters.get('application_name')
  return name ? { application_name: name } : {}
}
