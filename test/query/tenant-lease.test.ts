import { expect, it } from 'vitest'
import { leaseFor } from '../../src/query/tenant-lease.ts'
import { CallerResolver } from '../../src/resolve/caller-resolver.ts'
import { startHttpWorld } from '../http/http-world.ts'

it('gives no lease to a caller that was proved for an earlier tenant of the name, and keeps none', async () => {
  await using http = await startHttpWorld(['acme'])
  const authorization = `Bearer ${await http.tenantKey('acme')}`
  const callers = new CallerResolver(http.world.directory)
  const caller = await callers.resolve({ authorization, host: undefined, tenant: undefined })
  const { signal } = new AbortController()
  const earlier = { ...caller, tenant: { ...caller.tenant, generation: caller.tenant.generation + 1 } }
  await expect(leaseFor(http.world.router, earlier, signal)).rejects.toMatchObject({ code: 'tenant_unknown' })
  expect(http.world.router.stats().connections.leased).toBe(0)
  using lease = await leaseFor(http.world.router, caller, signal)
  expect(lease.trust).toBe('foreign')
})
