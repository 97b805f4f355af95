import type { AuditEntry, Registry } from '../registry/registry.ts'
import type { TenantRouter } from './tenant-router.ts'

/**
 * Writes each fence into the registry's audit: an operator finds it there after the logs are gone. Lasts until disposed.
 * @param onFault hears where that failed; the tenant is fenced all the same.
 */
export function auditFences(
  router: Pick<TenantRouter, 'on'>,
  registry: Pick<Registry, 'commit'>,
  onFault: (fault: unknown) => void,
): Disposable {
  return router.on('fenced', ({ tenant, server, error }) => {
    const audit: AuditEntry = {
      actor: 'router',
      action: 'tenant.fence',
      target: tenant,
      at: new Date().toISOString(),
      detail: { server, why: error.message },
    }
    registry.commit({ audit }, []).catch(onFault)
  })
}
