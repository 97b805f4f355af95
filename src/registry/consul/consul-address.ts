import { readFileSync } from 'node:fs'
import { InvalidConfigError } from '../../errors.ts'
import { Secret } from '../../secret.ts'

const FORM = 'consul://[:TOKEN@]HOST[:PORT][/PREFIX], or consul+https://… [?ca=FILE]'
const DEFAULT_PREFIX = 'tenantry'

export interface ConsulAddress {
  readonly isSecure: boolean
  readonly host: string
  readonly port: number
  /** Where our keys are; ends with `/`. */
  readonly prefix: string
  /** The ACL token. */
  readonly token: Secret | undefined
  /** PEM; undefined means the certificate authorities that Node trusts. */
  readonly ca: string | undefined
}

/** @throws {InvalidConfigError} that repeats nothing of the URL, which may hold a token. */
export function parseConsulUrl(text: Secret): ConsulAddress {
  const trimmed = text.reveal().trim()
  if (!URL.canParse(trimmed)) throw fault(`expected ${FORM}`)
  const url = new URL(trimmed)
  const schemes = ['consul:', 'consul+http:', 'consul+https:']
  if (!schemes.includes(url.protocol) || url.hostname === '') throw fault(`expected ${FORM}`)
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'ca')
  if (unknown !== undefined) throw fault(`the parameter ${unknown.slice(0, 40)} is not known; known is ca`)
  const isSecure = url.protocol === 'consul+https:'
  const ca = url.searchParams.get('ca')
  if (ca !== null && !isSecure) throw fault('ca needs consul+https://')
  const prefix = decodeURIComponent(url.pathname).replaceAll(/^\/+|\/+$/g, '') || DEFAULT_PREFIX
  if (!/^[\w-]+(?:\/[\w-]+)*$/.test(prefix)) throw fault('the prefix may hold letters, digits, _, - and /')
  const token = decodeURIComponent(url.password === '' ? url.username : url.password)
  return {
    isSecure,
    host: url.hostname.replaceAll(/^\[|\]$/g, ''),
    port: url.port === '' ? 8500 + (isSecure ? 1 : 0) : Number(url.port),
    prefix: `${prefix}/`,
    token: token === '' ? undefined : new Secret(token),
    ca: ca === null ? undefined : readCa(ca),
  }
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw fault(`the file that ca names cannot be read: ${path}`)
  }
}

function fault(why: string): InvalidConfigError {
  return new InvalidConfigError([`registry URL: ${why}`])
}
