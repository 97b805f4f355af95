import { inParallel, type World } from '../../support/world.ts'

/** Rows of a tenant's ledger: its own, and what should not be there. */
export interface LedgerCount {
  readonly own: number
  readonly other: number
}

/** By tenant. */
export async function ledgersOf(world: World): Promise<ReadonlyMap<string, LedgerCount>> {
  const ledgers = new Map<string, LedgerCount>()
  await inParallel([...world.places], async ([tenant, { database }]) => {
    const [row] = await world.server.query<{ own: number; other: number }>(
      'select count(*) filter (where tenant = $1)::int as own, count(*) filter (where tenant <> $1)::int as other from ledger',
      [tenant],
      database,
    )
    if (row) ledgers.set(tenant, row)
  })
  return ledgers
}
