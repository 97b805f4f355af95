import { LoginFailedError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { targetOf } from '../../registry/route.ts'
import { isSameCluster } from '../../registry/server-record.ts'
import { type Pin, pinDifference, readPin } from '../../router/identity.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import { Session } from '../session.ts'
import { type Acceptance, type Finding, recogniseBy, refused } from './acceptance.ts'
import { isSettled, settleServer } from './cluster.ts'
import { findServerEntry } from './server-view.ts'
import { inTurn } from './turn.ts'

/**
 * A database of somebody else's making: known by its name, by the role and password that open it, and by
 * being no other tenant's. Nothing in it is changed, so what its owner must do is said.
 */
export async function acceptRegistered(
  acceptance: Acceptance,
  { record }: Entry<'tenant'>,
): Promise<Finding> {
  const found = await pinFoundBy(acceptance, record)
  if (typeof found === 'string') return refused(found)
  const { identity } = record
  const before = identity?.kind === 'pin' ? identity : undefined
  const pin = { ...found, shared: before?.shared ?? false }
  const other = ownerOf(acceptance, record, pin)
  if (other !== undefined)
    return refused(`Not its database: it is the one that tenant ${other} was pinned to.`)
  if (pin.databaseName !== (before?.databaseName ?? record.route.database))
    return refused(`Its route leads to a database that is called ${pin.databaseName}.`)
  const differs = before === undefined ? 'pin' : pinDifference(before, pin)
  if (differs === undefined) return { changes: [], refusal: null }
  if (!acceptance.dryRun) {
    await settle(acceptance, pin)
    await recogniseBy(acceptance, record, pin)
  }
  return { changes: [`pinned anew: its ${differs} is another`], refusal: null }
}

async function pinFoundBy(
  { parts: { sealer, registry }, server }: Acceptance,
  record: TenantRecord,
): Promise<Pin | string> {
  try {
    await using session = await Session.readOnly(targetOf(record, server, sealer, registry.id))
    return await readPin(session.connection)
  } catch (error) {
    if (!(error instanceof LoginFailedError)) throw error
    const { role, database } = record.route
    return (
      `The server does not let role ${role} into database ${database} (${error.sqlstate ?? 'refused'}). ` +
      `Its owner must set the password on record again, as with ALTER ROLE ${role} PASSWORD …`
    )
  }
}

/** The tenant that was pinned to this very database, whatever that is called now. */
function ownerOf({ neighbours }: Acceptance, record: TenantRecord, pin: Pin): string | undefined {
  return neighbours.find(({ id, record: { identity } }) => {
    if (id === record.id || identity?.kind !== 'pin') return false
    if (pin.shared && identity.shared) return false
    return isSameCluster(identity, pin) && identity.databaseOid === pin.databaseOid
  })?.id
}

/** Which cluster the server is now, for those who look for neighbours there. */
async function settle({ parts: { registry }, server, actor }: Acceptance, pin: Pin): Promise<void> {
  await inTurn(async () => {
    const entry = await findServerEntry(registry, server.id)
    if (!isSettled(entry, pin)) await settleServer(registry, entry, pin, actor)
  })
}
