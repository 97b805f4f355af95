import { describe, expect, it } from 'vitest'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { Directory } from '../../src/registry/directory.ts'
import { RouterOptions } from '../../src/router/options.ts'
import { RouteOpener } from '../../src/router/route-opener.ts'
import { TenantRouter } from '../../src/router/tenant-router.ts'
import { LifecycleGround, randomName } from './ground.ts'

/** Capitals, hyphens, blanks, at signs, quotes, percents, slashes, letters beyond ASCII: as people name things. */
const ODD = ['Acme-Prod', 'Big Corp', 'sales@eu', "O'Neil", '100%', 'a/b?c#d', 'Ünïcode', 'x"y', 'a:b', '%41']

/** Everything about a database and its role that a registration might have changed. */
const DIGEST = `
  select md5(string_agg(line, e'\\n' order by line)) as digest from (
    select concat_ws('|', 'db', datname, datdba, datacl, datconnlimit, datallowconn) as line
      from pg_database where datname = current_database()
    union all select concat_ws('|', 'role', rolname, rolsuper, rolcanlogin, rolconnlimit, rolpassword, rolvaliduntil)
      from pg_authid where rolname = $1
    union all select concat_ws('|', 'setting', setdatabase, setrole, setconfig) from pg_db_role_setting
      where setdatabase in (select oid from pg_database where datname = current_database())
    union all select concat_ws('|', 'member', roleid::regrole, member::regrole) from pg_auth_members
      where $1 in (roleid::regrole::text, member::regrole::text)
    union all select concat_ws('|', 'schema', nspname, nspowner, nspacl) from pg_namespace where nspname !~ '^pg_(temp|toast_temp)'
    union all select concat_ws('|', 'proc', oid, proname, proacl) from pg_proc
    union all select concat_ws('|', 'column', attrelid, attname, atttypid, attacl) from pg_attribute where attrelid >= 16384
    union all select concat_ws('|', 'class', relname, relowner, relacl) from pg_class where oid >= 16384
    union all select concat_ws('|', 'default', defaclrole, defaclacl) from pg_default_acl
  ) lines`

/** `count` databases on each version, imported by DSN and asked for their rows. */
export function describeRegisteredNames(count: number): void {
  describe.each([15, 18] as const)('databases made by a plain SQL loop on Postgres %i', (version) => {
    it(
      'are served under any name, with one role that owns them all, and not a byte of them changes',
      async () => {
        await using ground = await LifecycleGround.start(version)
        const role = randomName('Shared Owner')
        const names = Array.from(
          { length: count },
          (_, index) => `${randomName('r')} ${ODD[index % ODD.length]}`,
        )
        const dsnOf = await ground.foreign(role, names)
        for (const name of names) {
          await ground.server.execute(
            'create table notes as select current_database() as whose; grant select on notes to public',
            name,
          )
        }
        const digests = () => inTurn(names, (name) => ground.server.query(DIGEST, [role], name))
        const before = await digests()
        for (const [index, name] of names.entries()) {
          await registerTenant(ground.parts, { id: `t-${index}`, route: { dsn: dsnOf(name) } }, 'test')
        }
        await using directory = new Directory(ground.registry)
        // All ask at once: how long the last one waits is the machine's, and not what this is about.
        const options = { maxConnections: 8, acquireTimeoutMs: 60_000 }
        const opener = new RouteOpener(ground.parts.sealer, ground.registry.id, RouterOptions.parse(options))
        const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
        {
          await using router = new TenantRouter(directory, backends, options)
          const rows = await Promise.all(
            names.map((_, index) => router.withTenant(`t-${index}`, (sql) => sql`select whose from notes`)),
          )
          expect(rows.map(([row]) => row?.['whose'])).toEqual(names)
          const foreign = router.lease((await ground.tenant('t-0')).id, { trust: 'foreign' })
          await expect(foreign).rejects.toMatchObject({ code: 'role_not_isolated' })
        }
        expect(await digests()).toEqual(before)
        expect((await ground.registry.list('server')).entries).toHaveLength(1)
      },
      count * 6_000,
    )
  })
}

async function inTurn<T>(names: readonly string[], ask: (name: string) => Promise<T>): Promise<T[]> {
  const answers: T[] = []
  for (const name of names) answers.push(await ask(name))
  return answers
}
