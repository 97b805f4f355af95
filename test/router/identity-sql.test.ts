import { randomUUID } from 'node:crypto'
import { describe, expect, it, vi } from 'vitest'
import { parseTenantId } from '../../src/tenant/tenant-id.ts'
import type { Identity, TenantRecord } from '../../src/tenant/tenant-record.ts'
import { startWorld, type World } from '../support/world.ts'

/** Code under each name that a statement of ours could leave to the search path; it says that it was reached. */
const PLANTED = [
  'create sequence public.sprung',
  `create function public.spring() returns boolean language sql as
     $$ select pg_catalog.nextval('public.sprung') operator(pg_catalog.>) 0 $$`,
  `create function public.glue(text, text) returns text language sql as
     $$ select pg_catalog.concat($1, $2) from public.spring() $$`,
  `create function public.glue(text, int4) returns text language sql as
     $$ select pg_catalog.concat($1, $2) from public.spring() $$`,
  'create operator public.|| (leftarg = text, rightarg = text, function = public.glue)',
  'create operator public.|| (leftarg = text, rightarg = int4, function = public.glue)',
  `create function public.same(name, name) returns boolean language sql as
     $$ select $1 operator(pg_catalog.=) $2 from public.spring() $$`,
  'create operator public.= (leftarg = name, rightarg = name, function = public.same)',
  `create function public.both(boolean, boolean) returns boolean language sql as
     $$ select $1 and $2 and public.spring() $$`,
  'create aggregate public.bool_and (boolean) (sfunc = public.both, stype = boolean, initcond = true)',
  'create domain public.text as pg_catalog.text check (public.spring())',
  'create domain public.int4 as pg_catalog.int4 check (public.spring())',
  'alter role current_user set search_path = public, pg_catalog',
]

async function plant(world: World): Promise<void> {
  using lease = await world.lease('acme', { trust: 'foreign' })
  for (const text of PLANTED) await lease.run({ text })
}

async function hasSprung(world: World): Promise<boolean | undefined> {
  const { database } = world.placeOf('acme')
  const text = 'select is_called from public.sprung'
  const [row] = await world.server.query<{ is_called: boolean }>(text, [], database)
  return row?.is_called
}

/** As the tenant is recognised in the record, and in its database. */
const IDENTITIES: Record<string, (world: World, pin: Identity, generation: number) => Promise<Identity>> = {
  'a pin': async (_world, pin) => pin,
  'a pin without a system identifier': async ({ server }, pin) =>
    ({ ...pin, systemIdentifier: null, serverAddress: `${server.host}:${server.port}` }) as Identity,
  'a stamp': async (world, _pin, generation) => {
    const incarnation = randomUUID()
    await world.execute(
      'acme',
      `create schema tenantry;
       create table tenantry.stamp as select 'acme' as tenant_id, ${generation}::bigint as generation,
         '${incarnation}'::uuid as incarnation, 'live' as state;
       grant usage on schema tenantry to public;
       grant select on tenantry.stamp to public`,
    )
    return { kind: 'stamp', incarnation }
  },
}

describe('what a tenant planted under the names in our statements', () => {
  for (const [kind, identify] of Object.entries(IDENTITIES)) {
    it(`does not run in a fresh session that is recognised by ${kind}`, async () => {
      await using world = await startWorld(['acme'])
      const entry = await world.registry.find('tenant', 'acme')
      if (!entry?.record.identity) throw new Error('the world has no such tenant')
      const identity = await identify(world, entry.record.identity, entry.record.generation)
      await world.change('acme', (record) => ({ ...record, identity }))
      await plant(world)
      using lease = await world.lease('acme')
      const { rows } = await lease.run({ text: 'show search_path' })
      expect(rows).toEqual([{ search_path: 'public, pg_catalog' }])
      expect(await hasSprung(world)).toBe(false)
    })
  }
})

/** Until the router knows the record as it is. */
async function hears(world: World, id: string): Promise<void> {
  const changed = await world.registry.find('tenant', id)
  await vi.waitFor(async () => {
    const known = await world.directory.tenant(parseTenantId(id))
    expect(known?.revision).toBe(changed?.revision)
  }, 10_000)
}

describe('a pinned database', () => {
  const otherOid = (record: TenantRecord): TenantRecord => {
    const { identity } = record
    if (identity?.kind !== 'pin') throw new Error('the world pins its tenants')
    return { ...record, identity: { ...identity, databaseOid: identity.databaseOid + 1 } }
  }

  for (const [where, arrange] of [
    ['without a look into a table', 'revoke select on pg_catalog.pg_database from public'],
    [
      'where the role may not see paths of files',
      'revoke execute on function pg_catalog.pg_relation_filepath(regclass) from public',
    ],
  ] as const) {
    it(`is recognised ${where}, and no other in its place`, async () => {
      await using world = await startWorld(['acme'])
      await world.execute('acme', arrange)
      ;(await world.lease('acme')).release()
      world.router.evict('acme')
      await world.change('acme', otherOid)
      await hears(world, 'acme')
      await expect(world.lease('acme')).rejects.toMatchObject({ code: 'identity_unknown' })
    })
  }

  it('is recognised in a tablespace of its own', async () => {
    await using world = await startWorld(['acme'])
    const { database } = world.placeOf('acme')
    const space = `space_${randomUUID().replaceAll('-', '')}`
    const admin = await world.server.connect()
    try {
      await admin.query('set allow_in_place_tablespaces = on')
      await admin.query(`create tablespace ${space} location ''`)
      await admin.query(`alter database ${database} set tablespace ${space}`)
      await world.execute('acme', 'revoke select on pg_catalog.pg_database from public')
      const lease = await world.lease('acme')
      expect((await lease.run({ text: 'select distinct tenant from notes' })).rows).toEqual([
        { tenant: 'acme' },
      ])
      lease.release()
      world.router.evict('acme')
      // The session ends a moment after its client.
      await vi.waitFor(() => admin.query(`alter database ${database} set tablespace pg_default`))
      await admin.query(`drop tablespace ${space}`)
    } finally {
      await admin.end()
    }
  })
})
