import { describe, expect, it } from 'vitest'
import { revokeCredential } from '../../src/lifecycle/credentials/credentials.ts'
import { issueCredential } from '../../src/lifecycle/credentials/issue-credential.ts'
import { deleteTenant } from '../../src/lifecycle/delete/delete-tenant.ts'
import { purgeTenant } from '../../src/lifecycle/delete/purge-tenant.ts'
import { undeleteTenant } from '../../src/lifecycle/delete/undelete-tenant.ts'
import { diagnose } from '../../src/lifecycle/doctor/doctor.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { rotateTenant } from '../../src/lifecycle/rotate/rotate-tenant.ts'
import { checkTenant } from '../../src/lifecycle/tenant/check-tenant.ts'
import { resumeTenant } from '../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../src/lifecycle/tenant/suspend-tenant.ts'
import { LifecycleGround, sqlstateOf } from './ground.ts'

const NO_WAITS = { hearMs: 0, drainMs: 0 }

/** As the owner: code under names that our statements use, which counts its calls with the rights of who planted it. */
const PLANTED = `
  create sequence public.sprung;
  create function public.spring() returns boolean language sql security definer as
    $$ select pg_catalog.nextval('public.sprung') operator(pg_catalog.>) 0 $$;
  create function public.starts_with(text, text) returns boolean language sql as 'select public.spring()';
  create function public.current_database() returns name language sql as $$ select 'x'::name from public.spring() $$;
  create function public.pg_has_role(name, text) returns boolean language sql as 'select public.spring()';
  create function public.quote_ident(name) returns text language sql as $$ select 'x' from public.spring() $$;
  create function public.same(name, name) returns boolean language sql as 'select public.spring()';
  create operator public.= (leftarg = name, rightarg = name, function = public.same);
  create function public.same(text, text) returns boolean language sql as 'select public.spring()';
  create operator public.= (leftarg = text, rightarg = text, function = public.same);
  create function public.same(oid, oid) returns boolean language sql as 'select public.spring()';
  create operator public.= (leftarg = oid, rightarg = oid, function = public.same);
  create function public.glue(text, text) returns text language sql as $$ select 'x' from public.spring() $$;
  create operator public.|| (leftarg = text, rightarg = text, function = public.glue);
  create domain public.regrole as pg_catalog.regrole check (public.spring());
  create domain public.text as pg_catalog.text check (public.spring());
  create function public.pulled() returns trigger language plpgsql as
    $$ begin perform public.spring(); return new; end $$;
  create trigger pulled before insert or update or delete on tenantry.stamp
    for each row execute function public.pulled();
  alter database "%d" set search_path = public, pg_catalog`

/** By whom it is done in a database that is not to be trusted. */
const VERBS: Record<string, (ground: LifecycleGround) => Promise<unknown>> = {
  check: ({ parts }) => checkTenant(parts, 'acme', 'test'),
  doctor: ({ parts }) => diagnose(parts, {}),
  credentials: async ({ parts }) => {
    const { credential } = await issueCredential(parts, 'acme', {}, 'test')
    await revokeCredential(parts, 'acme', credential.role, 'test')
  },
  rotate: ({ parts }) => rotateTenant(parts, 'acme', NO_WAITS, 'test'),
  suspend: ({ parts }) => suspendTenant(parts, 'acme', {}, 'test'),
  resume: ({ parts }) => resumeTenant(parts, 'acme', 'test'),
  delete: ({ parts }) => deleteTenant(parts, 'acme', { confirm: 'acme' }, 'test'),
  undelete: ({ parts }) => undeleteTenant(parts, 'acme', 'test'),
}

describe.each([15, 18] as const)(
  'code that the owner of a database on Postgres %i planted there',
  (version) => {
    it('is run by no verb of ours, and gains no right of the admin', async () => {
      await using ground = await LifecycleGround.withServer(version)
      await provisionTenant({ ...ground.parts, scramIterations: 1 }, { id: 'acme' }, 'test')
      const { database } = (await ground.tenant('acme')).route
      const plant = `set role "${database}_owner"; ${PLANTED.replaceAll('%d', database)}`
      await ground.server.execute(plant, database)
      const event = `set role "${database}_owner"; create event trigger e on ddl_command_start execute function public.pulled()`
      expect(await sqlstateOf(ground.server.execute(event, database))).toBe('42501')
      for (const [name, verb] of Object.entries(VERBS)) {
        await verb(ground)
        const sprung = await ground.server.query('select is_called from public.sprung', [], database)
        expect([name, sprung]).toEqual([name, [{ is_called: false }]])
      }
      await deleteTenant(ground.parts, 'acme', { confirm: 'acme' }, 'test')
      await purgeTenant(ground.parts, 'acme', { confirm: 'acme', now: true }, 'test')
    })
  },
)
