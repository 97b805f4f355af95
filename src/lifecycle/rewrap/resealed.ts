import type { OperationRecord } from '../../registry/operation-record.ts'
import { adminPasswordBinding, clientKeyBinding, tenantPasswordBinding } from '../../registry/route.ts'
import type { SealBinding } from '../../registry/sealing.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { Sealed } from '../../tenant/sealed.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'

/** What becomes of a sealed value; the same one where nothing does. */
export type Reseal = (sealed: Sealed, binding: SealBinding) => Sealed

/*
 * Every place of a record that holds a sealed value. Each gives the record with what `reseal` made of them, or the very
 * same record where that changed none.
 */

export function resealedTenant(record: TenantRecord, registry: string, reseal: Reseal): TenantRecord {
  const { route } = record
  const binding = tenantPasswordBinding(registry, record)
  const password = route.password && reseal(route.password, binding)
  const readOnly = route.readOnly && {
    ...route.readOnly,
    password:
      route.readOnly.password &&
      reseal(route.readOnly.password, { ...binding, field: 'route.readOnly.password' }),
  }
  const isSame = password === route.password && readOnly?.password === route.readOnly?.password
  return isSame ? record : { ...record, route: { ...route, password, readOnly } }
}

export function resealedServer(
  record: ServerRecord,
  registry: string,
  reseal: Reseal,
  /** Admin passwords are under a key of their own; left alone without it. */
  resealAdmin: Reseal | undefined,
): ServerRecord {
  const { admin, tls } = record
  const key = tls.clientCert && reseal(tls.clientCert.key, clientKeyBinding(registry, record.id))
  const password =
    admin?.password && resealAdmin
      ? resealAdmin(admin.password, adminPasswordBinding(registry, record.id))
      : null
  let after = record
  if (tls.clientCert && key && key !== tls.clientCert.key)
    after = { ...after, tls: { ...tls, clientCert: { ...tls.clientCert, key } } }
  if (admin && password && password !== admin.password) after = { ...after, admin: { ...admin, password } }
  return after
}

/** What its steps hand to each other stands at the top of its data. */
export function resealedOperation(
  record: OperationRecord,
  registry: string,
  reseal: Reseal,
): OperationRecord {
  let after = record
  for (const [name, value] of Object.entries(record.data)) {
    const { data: sealed } = Sealed.safeParse(value)
    if (sealed === undefined) continue
    const again = reseal(sealed, { registry, ...placeIn(record, name) })
    if (again !== sealed) after = { ...after, data: { ...after.data, [name]: again } }
  }
  return after
}

/** As each kind of operation seals what it keeps. */
function placeIn({ kind, data, tenant, id }: OperationRecord, name: string): Omit<SealBinding, 'registry'> {
  if (kind === 'template')
    return { subject: String(data['server']), generation: 0, field: `template.${name}` }
  const field = `operation.${name}`
  if (kind === 'import') return { subject: String(data['listSha256']), generation: 0, field }
  const { generation } = data
  return { subject: tenant ?? id, generation: typeof generation === 'number' ? generation : 0, field }
}
