import { isIP } from 'node:net'
import { type ParsedDsn, parseDsn } from '../../connection/dsn.ts'
import { InvalidDsnError } from '../../errors.ts'
import { Secret } from '../../secret.ts'

/** What a spreadsheet has in cells of their own, as they are: nothing in them is percent-encoded. */
export const PLACE_COLUMNS = [
  'host',
  'port',
  'database',
  'user',
  'password',
  'sslmode',
  'sslrootcert',
] as const
type PlaceColumn = (typeof PLACE_COLUMNS)[number]

const NEEDED = ['host', 'database', 'user'] as const satisfies readonly PlaceColumn[]

/**
 * Where a row's database is: from `dsn`, beside which a password may stand, or from columns of their own.
 * @returns every fault, by column, where it is not understood.
 */
export function dsnOfRow(given: Readonly<Record<string, unknown>>): ParsedDsn | string[] {
  const columns = PLACE_COLUMNS.filter((column) => given[column] !== undefined)
  const odd = columns.filter((column) => textOf(given[column]) === undefined)
  if (odd.length > 0) return odd.map((column) => `${column}: must be text`)
  const place = new Map(columns.map((column) => [column, textOf(given[column]) ?? '']))
  if (given['dsn'] !== undefined) return ofDsn(given['dsn'], place)
  if (place.size === 0) return ['dsn: must be a connection string, or host, database and user must be given']
  const missing = NEEDED.filter((column) => !place.has(column))
  return missing.length > 0 ? missing.map((column) => `${column}: is missing`) : ofPlace(place)
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'number' ? String(value) : typeof value === 'string' ? value : undefined
}

function ofDsn(dsn: unknown, place: ReadonlyMap<PlaceColumn, string>): ParsedDsn | string[] {
  if (typeof dsn !== 'string' || dsn.length > 4096) return ['dsn: must be a connection string']
  const others = [...place.keys()].filter((column) => column !== 'password')
  if (others.length > 0) return [`dsn: only a password may stand beside it, not ${others.join(', ')}`]
  const parsed = understood(dsn, (why) => `dsn: ${why}`)
  const password = place.get('password')
  if (Array.isArray(parsed) || password === undefined) return parsed
  if (parsed.password !== undefined) return ['password: dsn holds one already']
  if (/\p{Cc}/u.test(password)) return ['password: it holds a control character']
  return { ...parsed, password: new Secret(password) }
}

function ofPlace(place: ReadonlyMap<PlaceColumn, string>): ParsedDsn | string[] {
  const part = (column: PlaceColumn) => encodeURIComponent(place.get(column) ?? '')
  const host = isIP(place.get('host') ?? '') === 6 ? `[${part('host')}]` : part('host')
  const tls = (['sslmode', 'sslrootcert'] as const).filter((column) => place.has(column))
  const query = tls.map((column) => `${column}=${part(column)}`).join('&')
  const text = `postgres://${part('user')}:${part('password')}@${host}:${part('port')}/${part('database')}?${query}`
  // `the host: …` and `the parameter sslmode: …` name columns here.
  return understood(text, (why) => why.replace(/^the (?:parameter )?/, ''))
}

function understood(text: string, tell: (why: string) => string): ParsedDsn | string[] {
  try {
    return parseDsn(text)
  } catch (error) {
    if (!(error instanceof InvalidDsnError)) throw error
    return [tell(error.message.replace(/^The connection string is not valid: |\.$/g, ''))]
  }
}
