import type { KeyScope } from '../../registry/key-record.ts'

export type OperatorRole = Extract<KeyScope, { kind: 'operator' }>['role']
/** Who may: anybody, or an operator key of at least this role. */
export type Access = 'open' | OperatorRole

const RANK: Record<OperatorRole, number> = { viewer: 1, operator: 2, admin: 3 }

/** A role may all that a lower one may. */
export function reaches(role: OperatorRole, wanted: OperatorRole): boolean {
  return RANK[role] >= RANK[wanted]
}

/**
 * Every route of the operator plane and who may use it. `operatorApp` takes its routes from here, so one
 * that is not in the table does not exist.
 */
export const OPERATOR_ROUTES = {
  'GET /openapi.json': 'open',
  'GET /livez': 'open',
  'GET /readyz': 'open',
  'GET /startupz': 'open',
  /** Open where only this machine can ask. */
  'GET /metrics': 'viewer',
  'GET /v1/pools': 'viewer',
  'GET /v1/pools/events': 'viewer',
  'GET /v1/tenants': 'viewer',
  /** May bring SQL that runs with the admin's rights, or a DSN to connect to. */
  'POST /v1/tenants': 'admin',
  /** Brings DSNs to connect to. */
  'POST /v1/tenants/import': 'admin',
  'POST /v1/tenants/:id/unregister': 'admin',
  'POST /v1/tenants/:id/adopt': 'admin',
  'GET /v1/tenants/:id': 'viewer',
  'PATCH /v1/tenants/:id': 'operator',
  'GET /v1/tenants/:id/aliases': 'viewer',
  /** Decide whose database a request of a service key is for. */
  'POST /v1/tenants/:id/aliases': 'admin',
  'DELETE /v1/tenants/:id/aliases': 'admin',
  'DELETE /v1/tenants/:id': 'admin',
  'POST /v1/tenants/:id/undelete': 'admin',
  'POST /v1/tenants/:id/purge': 'admin',
  /** Of all whose grace has ended. */
  'POST /v1/tenants/purge': 'admin',
  'POST /v1/tenants/:id/suspend': 'operator',
  'POST /v1/tenants/:id/resume': 'operator',
  'POST /v1/tenants/:id/check': 'operator',
  'POST /v1/tenants/:id/evict': 'operator',
  'POST /v1/tenants/:id/cancel': 'operator',
  /** May bring a DSN to connect to. */
  'POST /v1/tenants/:id/rotate': 'admin',
  /** Of many. */
  'POST /v1/tenants/rotate': 'admin',
  'GET /v1/tenants/:id/credentials': 'viewer',
  'POST /v1/tenants/:id/credentials': 'admin',
  'DELETE /v1/tenants/:id/credentials/:role': 'admin',
  'POST /v1/tenants/:id/warm': 'operator',
  'GET /v1/why/:id': 'viewer',
  /** Logs in to every tenant. */
  'GET /v1/doctor': 'operator',
  'POST /v1/doctor/fix': 'admin',
  'GET /v1/keys': 'operator',
  'POST /v1/keys': 'admin',
  'DELETE /v1/keys/:id': 'admin',
  'POST /v1/keys/rewrap': 'admin',
  'GET /v1/servers': 'viewer',
  'POST /v1/servers': 'admin',
  'GET /v1/servers/:id': 'viewer',
  'DELETE /v1/servers/:id': 'admin',
  'POST /v1/servers/:id/accept': 'admin',
  'POST /v1/servers/:id/drain': 'operator',
  'POST /v1/servers/:id/undrain': 'operator',
  /** Makes and drops databases. */
  'POST /v1/servers/:id/spares': 'admin',
  'GET /v1/templates': 'viewer',
  /** Brings SQL that runs with the admin's rights. */
  'POST /v1/templates': 'admin',
  'DELETE /v1/templates/:name': 'admin',
  /** Tells who did what, and from which keys came what is not allowed. */
  'GET /v1/audit': 'operator',
  'POST /v1/audit/verify': 'operator',
  'GET /v1/operations': 'viewer',
  'GET /v1/operations/:id': 'viewer',
  'GET /v1/operations/:id/events': 'viewer',
  'POST /v1/operations/:id/resume': 'admin',
} as const satisfies Record<`${'GET' | 'POST' | 'PATCH' | 'DELETE'} /${string}`, Access>
export type OperatorRoute = keyof typeof OPERATOR_ROUTES
