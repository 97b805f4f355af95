import { z } from 'zod'
import type { ParsedDsn } from '../../connection/dsn.ts'
import { isReservedTenantId, isTenantId, type TenantId } from '../../tenant/tenant-id.ts'
import { Labels, TenantLimits } from '../../tenant/tenant-record.ts'
import { Hostname } from '../tenant/claim-aliases.ts'
import type { RowFault } from './list-faults.ts'
import type { RawRow } from './read-list.ts'
import { dsnOfRow, PLACE_COLUMNS } from './row-dsn.ts'

/** A database that exists, and the tenant that it is to be. */
export interface ImportRow {
  readonly line: number
  readonly id: TenantId
  readonly dsn: ParsedDsn
  /** Another tenant may live in the same database. */
  readonly shared: boolean
  readonly hostnames: readonly string[]
  readonly limits: TenantLimits
  readonly labels: z.output<typeof Labels>
}

const { maxConnections, weight, requestsPerSecond, statementTimeoutMs } = TenantLimits.shape

const whole = 'must be a whole number, from 1'
/** What the schemas of limits say is meant for who calls them, not for who looks at a cell. */
const NUMBERS: Readonly<Record<string, string>> = {
  max_connections: whole,
  weight: 'must be a number above 0, up to 1000',
  requests_per_second: 'must be a number above 0',
  statement_timeout_ms: whole,
}

/** A text of CSV as the number that it says; what is none is left as it is, to be refused. */
const number = <S extends z.ZodType>(schema: S) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value),
    schema,
  )

const Cells = z.object({
  id: z
    .custom<TenantId>(isTenantId, 'must be 1 to 40 lower-case letters, digits and inner hyphens')
    .refine((id) => !isReservedTenantId(id), 'is a reserved name')
    .refine((id) => !id.startsWith('xn--'), 'may not begin with xn--'),
  hostnames: z.preprocess(listIn, z.array(Hostname, 'must be host names').max(100)).default([]),
  labels: z.preprocess(pairsIn, Labels).default({}),
  max_connections: number(maxConnections),
  weight: number(weight),
  requests_per_second: number(requestsPerSecond),
  statement_timeout_ms: number(statementTimeoutMs),
  shared: z.preprocess(flagIn, z.boolean('must be true or false')).default(false),
})

/** In the order in which they are told. */
const COLUMNS: readonly string[] = [...new Set(['id', 'dsn', ...PLACE_COLUMNS, ...Object.keys(Cells.shape)])]
const LABEL = 'label.'

/** What to say of a column that there is not; undefined where there is. @param place of it, where its name is not to be repeated. */
export function unknownColumn(name: string, place: string): string | undefined {
  if (COLUMNS.includes(name) || (name.startsWith(LABEL) && name.length > LABEL.length)) return undefined
  const shown = /^[\w.-]{1,40}$/.test(name) ? `${JSON.stringify(name)} is` : `${place} has a name that is`
  return `${shown} not a column: those are ${COLUMNS.join(', ')} and ${LABEL}NAME`
}

/** A row as it is meant, or every fault of it. */
export function readRow({ line, cells }: RawRow): ImportRow | RowFault[] {
  const given = [...cells].filter(([, value]) => value !== '' && value !== null && value !== undefined)
  const labels = given.flatMap(([name, value]) =>
    name.startsWith(LABEL) ? [[name.slice(LABEL.length), value]] : [],
  )
  const own = Object.fromEntries(given.filter(([name]) => COLUMNS.includes(name)))
  if (labels.length > 0)
    own['labels'] = { ...objectOf(pairsIn(own['labels'])), ...Object.fromEntries(labels) }
  const parsed = Cells.safeParse(own)
  const dsn = dsnOfRow(own)
  if (!parsed.success || Array.isArray(dsn))
    return faultsOf(line, parsed.error?.issues ?? [], Array.isArray(dsn) ? dsn : [])
  const { id, shared, hostnames, labels: named, ...limits } = parsed.data
  return { line, id, dsn, shared, hostnames, labels: named, limits: limitsOf(limits) }
}

type Limits = Pick<
  z.output<typeof Cells>,
  'max_connections' | 'weight' | 'requests_per_second' | 'statement_timeout_ms'
>

function limitsOf(cells: Limits): TenantLimits {
  return {
    weight: cells.weight,
    ...(cells.max_connections === undefined ? {} : { maxConnections: cells.max_connections }),
    ...(cells.requests_per_second === undefined ? {} : { requestsPerSecond: cells.requests_per_second }),
    ...(cells.statement_timeout_ms === undefined ? {} : { statementTimeoutMs: cells.statement_timeout_ms }),
  }
}

/** By column alone: in a row whose cells are shifted, a label may be a part of a password. */
function faultsOf(line: number, issues: readonly z.core.$ZodIssue[], ofDsn: readonly string[]): RowFault[] {
  const told = issues.map(({ path, message }) => {
    const column = String(path[0])
    return `${column}: ${NUMBERS[column] ?? message}`
  })
  return [...new Set([...told, ...ofDsn])].map((what) => ({ line, what }))
}

function listIn(value: unknown): unknown {
  return typeof value === 'string' ? value.split(/[\s;]+/).filter(Boolean) : value
}

/** `plan=pro;region=eu`. */
function pairsIn(value: unknown): unknown {
  if (typeof value !== 'string') return value
  const pairs = value.split(';').flatMap((pair) => (pair.trim() === '' ? [] : [pair.trim()]))
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=')
      // Without a name it is refused by the names that labels may have.
      return at === -1 ? ['', pair] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
    }),
  )
}

function objectOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {}
}

function flagIn(value: unknown): unknown {
  if (value === 'true' || value === 'yes' || value === '1') return true
  if (value === 'false' || value === 'no' || value === '0') return false
  return value
}
