import { aliasId } from '../../registry/alias-record.ts'
import type { Entry, Registry } from '../../registry/registry.ts'
import { sideBySide } from '../../side-by-side.ts'
import { serverOfDsn } from '../server/server-of-dsn.ts'
import { allServers } from '../server/server-view.ts'
import { type ImportRow, readRow } from './import-row.ts'
import type { RowFault } from './list-faults.ts'
import { type ListFormat, readList } from './read-list.ts'

/** Records asked for at once. */
const READS = 16

export interface CheckedList {
  /** Those without a fault. */
  readonly rows: readonly ImportRow[]
  /** Lines of the rows that an earlier run imported. */
  readonly there: ReadonlySet<number>
  /** By line. */
  readonly faults: readonly RowFault[]
}

/** Reads a list whole and holds it against itself and the registry; connects to nothing. */
export async function checkList(registry: Registry, format: ListFormat, text: string): Promise<CheckedList> {
  const raw = await readList(format, text)
  const faults: RowFault[] = [...raw.faults]
  const rows: ImportRow[] = []
  for (const row of raw.rows) {
    const read = readRow(row)
    if (Array.isArray(read)) faults.push(...read)
    else rows.push(read)
  }
  faults.push(...twiceIn(rows))
  const servers = await allServers(registry)
  const there = new Set<number>()
  await sideBySide(rows, READS, async (row) => {
    const standing = await standingOf(registry, row, servers)
    if (standing.kind === 'there') there.add(row.line)
    if (standing.kind === 'taken') faults.push({ line: row.line, what: standing.what })
  })
  return { rows, there, faults: faults.toSorted((a, b) => a.line - b.line) }
}

export type Standing =
  | { readonly kind: 'there' | 'new' }
  | { readonly kind: 'taken' /** Column and reason. */; readonly what: string }

/**
 * Whether a row is on record as it is written, or is not on record at all; else what stands in its way. A password is not
 * compared: the one on record may have been changed since.
 */
export async function standingOf(
  registry: Registry,
  row: ImportRow,
  servers: readonly Entry<'server'>[],
): Promise<Standing> {
  const present = await registry.find('tenant', row.id)
  if (present !== undefined && !isSameRoute(present, row, servers))
    return taken(`id: tenant ${row.id} is on record already, ${describe(present)}`)
  for (const hostname of row.hostnames) {
    const alias = await registry.find('alias', aliasId('hostname', hostname))
    if (alias !== undefined && alias.record.tenant !== row.id)
      return taken(`hostnames: ${hostname} leads to another tenant already`)
    if (alias === undefined && present !== undefined)
      return taken(`hostnames: tenant ${row.id} is on record already, without ${hostname}`)
  }
  return { kind: present === undefined ? 'new' : 'there' }
}

function taken(what: string): Standing {
  return { kind: 'taken', what }
}

function isSameRoute(
  { record }: Entry<'tenant'>,
  row: ImportRow,
  servers: readonly Entry<'server'>[],
): boolean {
  const { status, origin, route } = record
  if (status === 'deleting' || status === 'deleted') return false
  const server = serverOfDsn(servers, row.dsn)?.id
  const isThere = route.server === server && route.database === row.dsn.database
  // One that was adopted since has a role of ours.
  return isThere && (origin === 'provisioned' || route.role === row.dsn.user)
}

function describe({ record }: Entry<'tenant'>): string {
  if (record.status === 'deleting' || record.status === 'deleted') return `and is ${record.status}`
  return 'with another database or role'
}

function twiceIn(rows: readonly ImportRow[]): RowFault[] {
  const faults: RowFault[] = []
  const seen = new Map<string, number>()
  const note = (line: number, key: string, what: string, mayBe = false) => {
    const before = seen.get(key)
    if (before === undefined) seen.set(key, line)
    else if (!mayBe) faults.push({ line, what: `${what} line ${before}` })
  }
  for (const { line, id, hostnames, dsn, shared } of rows) {
    note(line, `id ${id}`, `id: ${id} is also in`)
    for (const name of new Set(hostnames)) note(line, `host ${name}`, `hostnames: ${name} is also in`)
    const database = JSON.stringify([dsn.host.toLowerCase(), dsn.port, dsn.database])
    note(line, `database ${database}`, 'dsn: unless shared is true, its database may not also be in', shared)
  }
  return faults
}
