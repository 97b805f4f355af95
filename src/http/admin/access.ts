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
  'GET /v1/tenants/:id': 'viewer',
  'POST /v1/tenants/:id/suspend': 'operator',
  'POST /v1/tenants/:id/resume': 'operator',
  'POST /v1/tenants/:id/check': 'operator',
  'POST /v1/tenants/:id/evict': 'operator',
  'GET /v1/keys': 'operator',
  'POST /v1/keys': 'admin',
  'DELETE /v1/keys/:id': 'admin',
  'GET /v1/servers': 'viewer',
  'POST /v1/servers': 'admin',
  'POST /v1/servers/:id/accept': 'admin',
} as const satisfies Record<`${'GET' | 'POST' | 'DELETE'} /${string}`, Access>
export type OperatorRoute = keyof typeof OPERATOR_ROUTES
