import { describe, expect, it } from 'vitest'
import { InternalError } from '../../src/errors.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { LifecycleGround } from './ground.ts'

const SCHEMA = "create table projects (name text); insert into projects values ('one');"
const STEPS = ['roles', 'database', 'open', 'furnish', 'schema']

/** Parts whose process ends after a step ran and before that is kept. */
function endingAfter(parts: LifecycleParts, step: string): LifecycleParts {
  const onStep = ({ name }: { name: string }) => {
    if (name === step) throw new InternalError('the process ends here')
  }
  return { ...parts, onStep }
}

describe.each([15, 18] as const)('provisioning on Postgres %i', (version) => {
  it('makes a database that its own login finds stamped and can use', async () => {
    await using ground = await LifecycleGround.withServer(version)
    const { tenant, created } = await provisionTenant(ground.parts, { id: 'acme', schema: SCHEMA }, 'test')
    expect(created).toBe(true)
    expect(tenant).toMatchObject({ status: 'active', origin: 'provisioned', server: 'main' })
    expect(tenant.isolation).toMatchObject({ isolated: true, findings: [] })
    expect(tenant.database).toMatch(/^t_[a-z2-7]{26}$/)
    const client = await ground.connect('acme')
    const stamp = await client.query('select * from tenantry.stamp')
    const { generation, identity } = await ground.tenant('acme')
    expect(stamp.rows).toEqual([
      {
        tenant_id: 'acme',
        generation: String(generation),
        incarnation: identity?.kind === 'stamp' ? identity.incarnation : '',
        state: 'live',
      },
    ])
    await client.query("insert into projects values ('two')")
    expect((await client.query('select name from projects order by 1')).rows).toEqual([
      { name: 'one' },
      { name: 'two' },
    ])
    await client.end()
  })

  it('goes on where a process ended, after any step, and makes nothing twice', async () => {
    await using ground = await LifecycleGround.withServer(version)
    for (const step of STEPS) {
      const input = { id: `after-${step}`, schema: SCHEMA }
      await expect(provisionTenant(endingAfter(ground.parts, step), input, 'test')).rejects.toThrow(
        'ends here',
      )
      const half = await ground.tenant(input.id)
      expect(half.status).toBe('failed')
      const { tenant } = await provisionTenant(ground.parts, input, 'test')
      expect(tenant).toMatchObject({ status: 'active', database: half.route.database })
      const client = await ground.connect(input.id)
      expect((await client.query('select name from projects')).rows).toEqual([{ name: 'one' }])
      expect((await client.query('select count(*)::int as n from tenantry.stamp')).rows).toEqual([{ n: 1 }])
      await client.end()
    }
    const names = await ground.server.query<{ n: number }>(
      'select count(*)::int as n from pg_database d join pg_roles r on r.oid = d.datdba where pg_has_role($1, r.oid, $2)',
      [ground.admin.role, 'member'],
    )
    expect(names).toEqual([{ n: STEPS.length }])
  })

  it('changes nothing when it is called again for a tenant that is there', async () => {
    await using ground = await LifecycleGround.withServer(version)
    const first = await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const second = await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    expect(second).toEqual({ tenant: first.tenant, created: false, placement: null })
  })
})

describe('provisioning', () => {
  it('refuses to leave the schema out for a tenant that was begun with one', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const begun = provisionTenant(endingAfter(ground.parts, 'roles'), { id: 'acme', schema: SCHEMA }, 'test')
    await expect(begun).rejects.toThrow('ends here')
    await expect(provisionTenant(ground.parts, { id: 'acme' }, 'test')).rejects.toMatchObject({
      code: 'precondition_failed',
    })
  })

  it('takes a corrected schema text where the first one failed', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const wrong = `${SCHEMA} create table broken (name nonsense)`
    const begun = provisionTenant(ground.parts, { id: 'acme', schema: wrong }, 'test')
    await expect(begun).rejects.toMatchObject({ code: 'precondition_failed' })
    const { tenant } = await provisionTenant(ground.parts, { id: 'acme', schema: SCHEMA }, 'test')
    expect(tenant.status).toBe('active')
    const client = await ground.connect('acme')
    expect((await client.query('select name from projects')).rows).toEqual([{ name: 'one' }])
    await client.end()
  })

  it('runs no second schema text after one that ran, and goes on with that one', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const ended = endingAfter(ground.parts, 'schema')
    await expect(provisionTenant(ended, { id: 'acme', schema: SCHEMA }, 'test')).rejects.toThrow('ends here')
    const other = { id: 'acme', schema: 'create table others (name text)' }
    await expect(provisionTenant(ground.parts, other, 'test')).rejects.toThrow(/has run already/)
    const { tenant } = await provisionTenant(ground.parts, { id: 'acme', schema: SCHEMA }, 'test')
    expect(tenant.status).toBe('active')
  })

  it.each([
    'BEGIN; create table projects (name text); COMMIT;',
    'select 1; /* ; */ prepare transaction $$x$$',
  ])('makes nothing for a schema that begins or ends a transaction: %s', async (schema) => {
    await using ground = await LifecycleGround.withServer(18)
    await expect(provisionTenant(ground.parts, { id: 'acme', schema }, 'test')).rejects.toMatchObject({
      code: 'invalid_request',
      publicDetail: expect.stringMatching(/begun and ended for you/),
    })
    expect(await ground.registry.find('tenant', 'acme')).toBeUndefined()
  })

  it.each([
    ['a mistake', 'create table projects (name nonsense)', /42704/],
    ['a way to another role', 'create table projects (name text); reset role', /changes the role/],
  ])(
    'refuses a schema with %s, keeps the tenant out of use and can be called again',
    async (_, schema, why) => {
      await using ground = await LifecycleGround.withServer(18)
      await expect(provisionTenant(ground.parts, { id: 'acme', schema }, 'test')).rejects.toThrow(why)
      expect(await ground.tenant('acme')).toMatchObject({
        status: 'failed',
        statusReason: expect.stringMatching(why),
      })
    },
  )

  it.each(['api', 'apiauth', 'www', 'admin', 'xn--acme-9d0b', '__proto__', '..', 'ａｃｍｅ', 'x'.repeat(41)])(
    'refuses the id %s',
    async (id) => {
      await using ground = await LifecycleGround.start(18)
      await expect(provisionTenant(ground.parts, { id }, 'test')).rejects.toMatchObject({
        code: 'invalid_tenant_id',
      })
    },
  )

  it('needs the admin key, and a server that has an admin', async () => {
    await using ground = await LifecycleGround.start(18)
    const refused = { code: 'precondition_failed' }
    await expect(provisionTenant(ground.parts, { id: 'acme' }, 'test')).rejects.toMatchObject(refused)
    const keyless = { ...ground.parts, adminSealer: undefined }
    await expect(provisionTenant(keyless, { id: 'acme' }, 'test')).rejects.toThrow(/ADMIN_KEY/)
  })

  it('gives a host name to one tenant only', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const hostnames = ['app.acme.example']
    await provisionTenant(ground.parts, { id: 'acme', hostnames }, 'test')
    await expect(provisionTenant(ground.parts, { id: 'globex', hostnames }, 'test')).rejects.toMatchObject({
      code: 'already_exists',
    })
    expect(await ground.registry.find('tenant', 'globex')).toBeUndefined()
    const found = await ground.registry.findByAlias('hostname', 'app.acme.example')
    expect(found?.id).toBe('acme')
  })
})
