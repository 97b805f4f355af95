import { ServerUnavailableError, TenantryError, TlsFailedError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { sideBySide } from '../../side-by-side.ts'
import { serverOfDsn } from '../server/server-of-dsn.ts'
import { allServers } from '../server/server-view.ts'
import type { ImportRow } from './import-row.ts'
import type { ImportRun } from './import-run.ts'
import { keepRows } from './keep-rows.ts'
import { type Probed, probeRow } from './probe-row.ts'

/** Connections to a server of which nobody knows yet how many it has. */
const AT_ONCE_UNKNOWN = 2

/** A login that the row's server or role refused, or nobody let in. */
export interface Refusal {
  readonly row: ImportRow
  readonly refusal: string
  /** No other row of the server would fare better. */
  readonly isUnreachable: boolean
}

/** Imports rows server by server; one that is refused does not stop the others. */
export async function importRows(run: ImportRun, rows: readonly ImportRow[]): Promise<void> {
  for (const group of byServer(rows)) {
    let size = 1 // the first alone: it shows whether the server answers, and puts it on record
    for (let at = 0; at < group.length; size = run.batchRows) {
      const batch = group.slice(at, at + size)
      at += batch.length
      const { probed, refusals } = await probeRows(run, batch)
      for (const { row, refusal } of refusals) run.refuse(row, refusal)
      for (const cluster of byCluster(probed)) await keepRows(run, cluster)
      const unreachable = refusals.find(({ isUnreachable }) => isUnreachable)
      if (unreachable === undefined || probed.length > 0) continue
      for (const row of group.slice(at)) run.refuse(row, `not tried any more: ${unreachable.refusal}`)
      break
    }
  }
}

/** Connects to each, a few at a time, and keeps nothing. */
export async function probeAll(
  parts: Pick<ImportRun, 'parts' | 'atOnce'>,
  rows: readonly ImportRow[],
): Promise<Refusal[]> {
  const refused: Refusal[] = []
  for (const group of byServer(rows)) {
    const [first, ...rest] = group
    const pilot = first ? (await probeRows(parts, [first])).refusals : []
    refused.push(...pilot)
    const unreachable = pilot.find(({ isUnreachable }) => isUnreachable)
    if (unreachable === undefined) refused.push(...(await probeRows(parts, rest)).refusals)
    else {
      const refusal = `not tried any more: ${unreachable.refusal}`
      refused.push(...rest.map((row) => ({ row, refusal, isUnreachable: true })))
    }
  }
  return refused
}

async function probeRows(
  { parts, atOnce }: Pick<ImportRun, 'parts' | 'atOnce'>,
  rows: readonly ImportRow[],
): Promise<{ readonly probed: Probed[]; readonly refusals: Refusal[] }> {
  const [first] = rows
  if (first === undefined) return { probed: [], refusals: [] }
  const server = serverOfDsn(await allServers(parts.registry), first.dsn)?.record
  const limit = Math.min(atOnce, server?.budget.maxConnections ?? AT_ONCE_UNKNOWN)
  const looks = await sideBySide(rows, limit, (row) => look(row, server?.via ?? 'direct'))
  const probed = looks.flatMap((one) => ('refusal' in one ? [] : [one]))
  return { probed, refusals: looks.flatMap((one) => ('refusal' in one ? [one] : [])) }
}

async function look(row: ImportRow, via: ServerRecord['via']): Promise<Probed | Refusal> {
  try {
    return await probeRow(row, via)
  } catch (error) {
    if (!(error instanceof TenantryError)) throw error
    const isSilent = error instanceof ServerUnavailableError && error.sqlstate === undefined
    return { row, refusal: error.message, isUnreachable: isSilent || error instanceof TlsFailedError }
  }
}

/** In the order of the list. */
function byServer(rows: readonly ImportRow[]): Iterable<ImportRow[]> {
  return grouped(rows, ({ dsn: { host, port, tls } }) => {
    const { mode, ca, serverName, clientCert } = tls
    return JSON.stringify([host.toLowerCase(), port, mode, ca, serverName, clientCert?.certificate])
  })
}

/** Behind one address there may be several: a pooler sends each database where it likes. */
function byCluster(probed: readonly Probed[]): Iterable<Probed[]> {
  return grouped(probed, ({ pin }) => pin.systemIdentifier ?? pin.serverAddress ?? '')
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Iterable<T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group === undefined) groups.set(keyOf(item), [item])
    else group.push(item)
  }
  return groups.values()
}
