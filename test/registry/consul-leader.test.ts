import { expect, it, onTestFinished, vi } from 'vitest'
import { RegistryUnavailableError } from '../../src/errors.ts'
import { ConsulRegistry } from '../../src/registry/consul/consul-registry.ts'
import { Directory } from '../../src/registry/directory.ts'
import { Secret } from '../../src/secret.ts'
import { parseTenantId, type TenantId } from '../../src/tenant/tenant-id.ts'
import { startConsulPair } from '../support/consul.ts'
import { change, create, tenant } from './records.ts'

const seen = { timeout: 20_000, interval: 50 }
const acme = parseTenantId('acme')
const globex = parseTenantId('globex')

it('a Consul without a leader still tells what it knows, takes no change, and is followed again when it has one', async () => {
  const [asked, other] = await startConsulPair()
  onTestFinished(async () => {
    await Promise.all([asked.stop(), other.stop()])
  })
  const url = new Secret(`consul://:${asked.token}@${asked.host}:${asked.port}/tenantry`)
  await using registry = await ConsulRegistry.open(url, { timeoutMs: 2_500 })
  await create(registry, tenant('acme'), tenant('globex'))
  await using directory = new Directory(registry)
  await directory.tenant(acme)

  // A follower hears that a change is settled a heartbeat later, and knows it only then.
  await vi.waitFor(() => asked.request('GET', '/v1/kv/tenantry/entry/tenant/globex?stale'), seen)
  await other.halt()
  await vi.waitFor(
    () => expect(asked.request('GET', '/v1/kv/none?consistent')).rejects.toThrow(/500|timeout/),
    seen,
  )
  const statusOf = async (id: TenantId) => (await directory.tenant(id))?.record.status
  await Promise.all([
    expect(statusOf(acme)).resolves.toBe('active'),
    // Asked for here for the first time: from what this one server knows.
    expect(statusOf(globex)).resolves.toBe('active'),
    expect(registry.find('tenant', 'globex')).resolves.toMatchObject({ mayLag: true }),
    expect(statusOf(parseTenantId('nobody'))).rejects.toBeInstanceOf(RegistryUnavailableError),
    expect(change(registry, tenant('acme'))).rejects.toBeInstanceOf(RegistryUnavailableError),
  ])
  // The watch is answered by no one: what one server knows is not taken for news.
  await vi.waitFor(() => expect(directory.stalenessSeconds()).toBeGreaterThan(2), seen)

  await other.start()
  await vi.waitFor(() => change(registry, tenant('globex', { status: 'suspended' })), seen)
  await vi.waitFor(async () => expect(await statusOf(globex)).toBe('suspended'), {
    timeout: 5_000,
    interval: 20,
  })
  expect(await registry.find('tenant', 'globex')).not.toHaveProperty('mayLag')
}, 60_000)
