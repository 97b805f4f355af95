import { tenantPasswordBinding } from '../../registry/route.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import type { Isolation, TenantRecord } from '../../tenant/tenant-record.ts'
import { type LifecycleParts, now } from '../parts.ts'
import type { Capacity } from '../server/capacity.ts'
import type { Login } from './look-around.ts'

interface Wanted {
  readonly id: TenantId
  readonly generation: number
  readonly server: string
  readonly limits: TenantRecord['limits']
  readonly labels: TenantRecord['labels']
}

/** The record of a tenant whose database is there already, as a login found it. */
export function registeredTenant(
  { registry, sealer }: LifecycleParts,
  { id, generation, server, limits, labels }: Wanted,
  { dsn, capacity, pin }: Pick<Login, 'dsn' | 'capacity' | 'pin'>,
  isolation: Isolation | null,
): TenantRecord {
  const at = now()
  const binding = tenantPasswordBinding(registry.id, { id, generation })
  return {
    id,
    generation,
    epoch: 1,
    status: 'active',
    statusReason: null,
    origin: 'registered',
    route: {
      server,
      // A pooler may call it otherwise than the server does.
      database: dsn.database,
      role: dsn.user,
      password: dsn.password === undefined ? null : sealer.seal(dsn.password, binding),
      slot: null,
      readOnly: null,
    },
    identity: pin,
    isolation,
    limits: withinRole(limits, capacity.roleLimit),
    labels,
    schemaVersion: null,
    operation: null,
    deletion: null,
    createdAt: at,
    updatedAt: at,
  }
}

/** A role's CONNECTION LIMIT is a bound that the server keeps: more would be refused. */
export function withinRole(
  limits: TenantRecord['limits'],
  roleLimit: Capacity['roleLimit'],
): TenantRecord['limits'] {
  if (roleLimit === undefined || roleLimit === 0) return limits
  return { ...limits, maxConnections: Math.min(limits.maxConnections ?? roleLimit, roleLimit) }
}
