import { describe, expect, it } from 'vitest'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { generateMasterKey, MasterKeys } from '../../../src/registry/master-keys.ts'
import { Sealer } from '../../../src/registry/sealing.ts'
import { LifecycleGround, randomName } from '../ground.ts'
import { linesFor } from './patient.ts'

describe('the doctor', () => {
  it('tells secrets under a key that is not in use any more, and those that do not open', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const [old, fresh] = [generateMasterKey(), generateMasterKey()]
    const withKeys = (...keys: { reveal(): string }[]): LifecycleParts => ({
      ...ground.parts,
      sealer: new Sealer(MasterKeys.fromText(keys.map((one) => one.reveal()).join(','))),
    })
    await provisionTenant(withKeys(old), { id: 'acme' }, 'test')
    const [kid] = old.reveal().split(':')
    const ofKeys = async (parts: LifecycleParts) =>
      (await linesFor(parts)).filter((line) => line.startsWith('master-keys'))
    expect(await ofKeys(withKeys(old))).toEqual([])
    expect(await ofKeys(withKeys(fresh, old))).toEqual([
      expect.stringContaining(`warning TENANTRY_MASTER_KEY: 1 secrets are still sealed under key ${kid};`),
    ])
    expect(await ofKeys(withKeys(fresh))).toEqual([
      expect.stringContaining(
        `error TENANTRY_MASTER_KEY: 1 secrets are sealed under key ${kid}, which does not open`,
      ),
    ])
    expect(await ofKeys({ ...withKeys(old), adminSealer: undefined })).toEqual([
      expect.stringContaining('info TENANTRY_ADMIN_KEY: This process does not have it'),
    ])
  })

  it('reads how passwords are kept where it may, and says where it may not', async () => {
    await using ground = await LifecycleGround.withServer(15)
    const [role, name] = [randomName('app'), randomName('db')]
    const dsnOf = await ground.foreign(role, [name])
    await registerTenant(ground.parts, { id: 'acme', route: { dsn: dsnOf(name) } }, 'test')
    const ofVerifiers = async () =>
      (await linesFor(ground.parts)).filter((line) => line.startsWith('verifiers'))
    expect(await ofVerifiers()).toEqual([
      expect.stringContaining('info server main: How its passwords are kept'),
    ])
    await ground.server.execute(`grant select on pg_catalog.pg_authid to ${ground.admin.role}`)
    try {
      expect(await ofVerifiers()).toEqual([])
      await ground.server.execute(`set password_encryption = 'md5'; alter role ${role} password 'pw'`)
      expect(await ofVerifiers()).toEqual([
        expect.stringContaining(`warning server main: MD5 passwords: ${role} of acme`),
      ])
    } finally {
      await ground.server.execute(`revoke select on pg_catalog.pg_authid from ${ground.admin.role}`)
    }
  })
})
