import { z } from 'zod'
import { AlreadyExistsError } from '../../errors.ts'
import { aliasId } from '../../registry/alias-record.ts'
import type { Expectation, Put, Registry } from '../../registry/registry.ts'
import type { TenantId } from '../../tenant/tenant-id.ts'
import { now } from '../parts.ts'

/** Lower-case, with a dot, without a port: compared as it is written. */
export const Hostname = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/, {
    error: 'must be a lower-case host name',
  })

/**
 * What a commit must hold so that these host names lead to the tenant and to nobody else.
 * @throws {AlreadyExistsError} where one is taken. One that is taken meanwhile is a revision conflict.
 */
export async function claimAliases(
  registry: Registry,
  tenant: TenantId,
  hostnames: readonly string[],
): Promise<{ puts: Put[]; expectations: Expectation[] }> {
  const ids = new Map(hostnames.map((value) => [aliasId('hostname', value), value]))
  for (const [id, value] of ids) {
    if (await registry.find('alias', id)) throw new AlreadyExistsError('host name', value)
  }
  return {
    puts: [...ids].map(([id, value]) => ({
      kind: 'alias',
      id,
      record: { kind: 'hostname', value, tenant, createdAt: now() },
    })),
    expectations: [...ids.keys()].map((id) => ({ kind: 'alias', id, revision: 0 })),
  }
}
