import { describe, expect, it } from 'vitest'
import { createKey } from '../../src/lifecycle/key/create-key.ts'
import { listKeys } from '../../src/lifecycle/key/key-view.ts'
import { revokeKey } from '../../src/lifecycle/key/revoke-key.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { hashOfKeySecret, parseApiKey } from '../../src/registry/api-key.ts'
import { LifecycleGround } from './ground.ts'

describe('API keys', () => {
  it('are kept as a hash only, bound to the generation of their tenant', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const made = await createKey(
      ground.parts,
      { scope: { kind: 'tenant', tenant: 'acme' }, name: 'ci' },
      'test',
    )
    const parsed = parseApiKey(made.secret.reveal())
    if (!parsed) throw new Error('the key is not a key')
    const entry = await ground.registry.find('key', parsed.id)
    const { generation } = await ground.tenant('acme')
    expect(entry?.record).toMatchObject({
      scope: { kind: 'tenant', tenant: 'acme', generation },
      secretHash: hashOfKeySecret(parsed.secret),
      name: 'ci',
      revokedAt: null,
    })
    expect(JSON.stringify([made, entry])).not.toContain(parsed.secret.reveal())
  })

  it('are listed without their hashes, and revoked once', async () => {
    await using ground = await LifecycleGround.start(18)
    const { key } = await createKey(ground.parts, { scope: { kind: 'service' } }, 'test')
    const revoked = await revokeKey(ground.parts, key.id, 'test')
    expect(revoked.revokedAt).not.toBeNull()
    expect(await revokeKey(ground.parts, key.id, 'test')).toEqual(revoked)
    const { keys } = await listKeys(ground.registry, {})
    expect(keys).toEqual([revoked])
    expect(JSON.stringify(keys)).not.toMatch(/hash/i)
  })

  it('are refused for tenants that are not there, and revoking what is not there is an error', async () => {
    await using ground = await LifecycleGround.start(18)
    const forNobody = createKey(ground.parts, { scope: { kind: 'tenant', tenant: 'nobody' } }, 'test')
    await expect(forNobody).rejects.toMatchObject({ code: 'tenant_unknown' })
    await expect(revokeKey(ground.parts, 'aaaaaaaaaaaa', 'test')).rejects.toMatchObject({ code: 'not_found' })
  })
})
