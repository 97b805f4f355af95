import { duration } from '../../lifecycle/why/phrases.ts'
import { busiestFirst, type Snapshot, totalLines } from './snapshot.ts'

type Pool = Snapshot['pools'][number]

export interface ScreenSize {
  readonly rows: number
  readonly columns: number
}

/** As wide as what is in it ever gets, so that nothing moves from one drawing to the next. */
interface Column {
  readonly heading: string
  readonly width: number
  /** On a wide screen only. */
  readonly isExtra?: boolean
  readonly of: (pool: Pool) => string
}

const NUMBERS: readonly Column[] = [
  { heading: 'WAITING', width: 7, of: ({ waiting }) => String(waiting) },
  { heading: 'LEASED', width: 6, of: ({ leased }) => String(leased) },
  { heading: 'IDLE', width: 5, of: ({ idle }) => String(idle) },
  { heading: 'OPENING', width: 7, isExtra: true, of: ({ opening }) => String(opening) },
  { heading: 'LEAVING', width: 7, isExtra: true, of: (pool) => String(pool.closing + pool.quarantined) },
  { heading: 'SERVICE', width: 8, of: ({ serviceMs }) => serviceText(serviceMs) },
  { heading: 'LAST USED', width: 9, of: ({ idleMs }) => duration(idleMs) },
]
const GAP = '  '
const WIDE_COLUMNS = 110
/** Lines of a screen for each line of a server. */
const ROWS_PER_SERVER = 6
const LONGEST_SERVER = 20
const LONGEST_TENANT = 40
/** Where less than that would be left for it, its server is not shown. */
const SHORTEST_TENANT = 16

/** How long a tenant has a connection for, smoothed: `0.4 ms`, `12 ms`, `3.2 s`, or `-` before the first. */
export function serviceText(ms: number): string {
  if (ms === 0) return '-'
  return ms < 10 ? `${ms.toFixed(1)} ms` : duration(ms)
}

/** The service's pools as they fit on a screen, the last row left free; each line no longer than that is wide. */
export function topScreen(snapshot: Snapshot, title: string, { rows, columns }: ScreenSize): string[] {
  const head = [title, '', ...totalLines(snapshot), '', ...serverLines(snapshot, rows), '']
  const pools = busiestFirst(snapshot.pools)
  const [heading, lineOf] = poolTable(snapshot, columns)
  const fits = Math.max(0, rows - head.length - 2) // the headings, and the row that stays free
  // What does not fit is told in the last of them.
  const shown = pools.slice(0, pools.length > fits ? Math.max(0, fits - 1) : fits)
  const left = pools.length - shown.length
  const lines = [...head, heading, ...shown.map(lineOf), ...(left > 0 ? [`and ${left} more`] : [])]
  return lines.slice(0, rows - 1).map((line) => cut(line.trimEnd(), columns))
}

/** Those whose breaker is not closed first, then the fullest. */
function serverLines({ servers }: Snapshot, rows: number): string[] {
  const most = Math.max(1, Math.floor(rows / ROWS_PER_SERVER))
  const isSick = ({ breaker }: { readonly breaker: string }) => Number(breaker !== 'closed')
  const sorted = servers.toSorted(
    (a, b) => isSick(b) - isSick(a) || b.out / b.limit - a.out / a.limit || (a.server < b.server ? -1 : 1),
  )
  const width = serverWidth(servers)
  const line = (server: string, connections: string, breaker: string) =>
    [cutName(server, width).padEnd(width), connections.padStart(13), breaker].join(GAP)
  const shown = sorted.slice(0, servers.length > most ? most - 1 : most)
  const left = servers.length - shown.length
  return [
    line('SERVER', 'CONNECTIONS', 'BREAKER'),
    ...shown.map(({ server, out, limit, breaker }) => line(server, `${out} of ${limit}`, breaker)),
    ...(left > 0 ? [`and ${left} more`] : []),
  ]
}

function serverWidth(servers: Snapshot['servers']): number {
  return Math.min(LONGEST_SERVER, Math.max(6, ...servers.map(({ server }) => server.length)))
}

/** Its headings, and how a pool looks under them. The tenant has what the others leave. */
function poolTable({ servers }: Snapshot, columns: number): [string, (pool: Pool) => string] {
  const numbers = NUMBERS.filter(({ isExtra }) => columns >= WIDE_COLUMNS || isExtra !== true)
  const taken = numbers.reduce((sum, { width }) => sum + GAP.length + width, 0)
  const beside = GAP.length + serverWidth(servers)
  const ofServer =
    servers.length > 1 && columns - taken - beside >= SHORTEST_TENANT ? serverWidth(servers) : 0
  const left = columns - taken - (ofServer > 0 ? beside : 0)
  const ofTenant = Math.max(8, Math.min(LONGEST_TENANT, left))
  const line = (tenant: string, server: string, cellOf: (column: Column) => string) =>
    [
      cutName(tenant, ofTenant).padEnd(ofTenant),
      ...(ofServer > 0 ? [cutName(server, ofServer).padEnd(ofServer)] : []),
      ...numbers.map((column) => cellOf(column).padStart(column.width)),
    ].join(GAP)
  return [
    line('TENANT', 'SERVER', ({ heading }) => heading),
    (pool) => line(pool.tenant, pool.server, ({ of }) => of(pool)),
  ]
}

/** Names of many are alike where they begin. */
function cutName(name: string, width: number): string {
  if (name.length <= width) return name
  const end = Math.floor((width - 1) / 2)
  return `${name.slice(0, width - 1 - end)}…${name.slice(name.length - end)}`
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text
}
