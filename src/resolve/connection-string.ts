import { isIP } from 'node:net'
import { InvalidRequestError } from '../errors.ts'

/** What a connection string says of its sender. The database's name says nothing: a tenant has one. */
export interface ConnectionClaims {
  /** As of the header `Authorization`. */
  readonly authorization: string
  /** The first label of the host; the text may be no tenant id. */
  readonly tenant: string
}

const SCHEME = /^postgres(?:ql)?:\/\//i
/** `tk_` and the id of an API key; its secret is the password. */
const USER = /^tk_[a-z0-9]+$/

/**
 * Reads `postgresql://tk_<id>:<secret>@<tenant>.<domain>/<any name>`, whose user and password joined by `_` are
 * an API key. Nothing of it is in the errors.
 * @throws {InvalidRequestError} not a connection string, without a password, or with an address as its host.
 */
export function readConnectionString(text: string): ConnectionClaims {
  const { hostname, username, password } = urlOf(text)
  if (hostname === '' || hostname.startsWith('[') || isIP(hostname))
    throw new InvalidRequestError("The connection string's host must be a name that begins with the tenant.")
  if (username === '' || password === '')
    throw new InvalidRequestError(
      'The connection string must have the id of an API key as user and its secret as password.',
    )
  const user = decoded(username)
  return {
    // Of any other form, what comes out is no key: refused like one that nobody has.
    authorization: USER.test(user) ? `Bearer ${user}_${decoded(password)}` : '',
    tenant: hostname.split('.', 1)[0] ?? '',
  }
}

function urlOf(text: string): URL {
  // With a scheme that it knows, the class reads names and percent signs as clients do.
  const known = text.replace(SCHEME, 'http://')
  if (!SCHEME.test(text) || !URL.canParse(known))
    throw new InvalidRequestError('Neon-Connection-String is not postgresql://user:password@host/database.')
  return new URL(known)
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new InvalidRequestError('The connection string has a percent sign that encodes nothing.')
  }
}
