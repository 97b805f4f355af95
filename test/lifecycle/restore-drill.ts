import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { acceptServer } from '../../src/lifecycle/server/accept-server.ts'
import { addServer } from '../../src/lifecycle/server/add-server.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { suspendTenant } from '../../src/lifecycle/tenant/suspend-tenant.ts'
import { Directory } from '../../src/registry/directory.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { tenantPasswordBinding } from '../../src/registry/route.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import { RouterOptions } from '../../src/router/options.ts'
import { RouteOpener } from '../../src/router/route-opener.ts'
import { TenantRouter } from '../../src/router/tenant-router.ts'
import { Secret } from '../../src/secret.ts'
import type { TenantRecord } from '../../src/tenant/tenant-record.ts'
import { type OwnPostgresServer, startPostgres } from '../support/postgres.ts'

const execute = promisify(execFile)
const SCHEMA = 'create table owner (name text)'

/**
 * A server with tenants, a copy of its data, a day's work in which `count` tenants are rotated and one is
 * deleted, and the copy put back. Twenty of them are in restore-drill.soak.ts: making so many is too long for `npm test`.
 *
 * Rotation is this file's own, in the way of login slots, and deletion is the status that a deleted tenant has: there
 * are no verbs for them, and the day's work is about what the registry says afterwards and the old data do not.
 */
export function describeDrill(count: number): void {
  describe(`a server of ${count + 5} tenants that is put back to an earlier day`, () => {
    const ROTATED = Array.from({ length: count }, (_, i) => `t${i}`)
    let server: OwnPostgresServer
    let folder: string
    let registry: Registry
    let parts: LifecycleParts

    beforeAll(async () => {
      server = await startPostgres()
      folder = await mkdtemp(join(tmpdir(), 'tenantry-drill-'))
      registry = await FileRegistry.open(join(folder, 'registry.yaml'))
      const sealer = () => new Sealer(MasterKeys.fromText(generateMasterKey()))
      parts = { registry, sealer: sealer(), adminSealer: sealer(), scramIterations: 1 }
      await server.createRole('admin', 'pw', 'createdb createrole')
      await addServer(parts, { id: 'main', dsn: server.dsn('postgres', 'admin', 'pw') }, 'test')
      const provisioned = [...ROTATED, 'untouched', 'suspended', 'deleted']
      const make = (id: string) =>
        provisionTenant(parts, { id, schema: `${SCHEMA}; insert into owner values ('${id}')` }, 'test')
      while (provisioned.length > 0) await Promise.all(provisioned.splice(0, 6).map(make))
      for (const id of ['kept', 'foreign']) {
        await server.createRole(id, 'old')
        await server.createDatabase(id, { owner: id })
        await registerTenant(parts, { id, route: { dsn: server.dsn(id, id, 'old') } }, 'test')
      }
      const snapshot = await snapshotOf(server, folder)
      await rotate([...ROTATED, 'foreign'])
      await suspendTenant(parts, 'suspended', {}, 'test')
      await change(['deleted'], (record) => ({ ...record, status: 'deleted' }))
      await putBack(server, snapshot)
    }, 300_000)
    afterAll(async () => {
      await registry.close()
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    })

    async function recordOf(id: string): Promise<TenantRecord> {
      const entry = await registry.find('tenant', id)
      if (!entry) throw new Error(`no tenant ${id}`)
      return entry.record
    }

    /** Commits the changed records of several tenants at once. */
    async function change(
      ids: readonly string[],
      work: (record: TenantRecord) => TenantRecord,
    ): Promise<void> {
      const entries = await Promise.all(ids.map((id) => registry.find('tenant', id)))
      const found = entries.filter((entry) => entry !== undefined)
      const audit = {
        actor: 'test',
        action: 'test',
        target: 'many',
        at: new Date().toISOString(),
        detail: {},
      }
      const puts = found.map(({ id, record }) => ({ kind: 'tenant' as const, id, record: work(record) }))
      const expectations = found.map(({ id, revision }) => ({ kind: 'tenant' as const, id, revision }))
      await registry.commit({ puts, audit }, expectations)
    }

    /** New passwords, for provisioned tenants in their other slot, on the server and in the registry. */
    async function rotate(ids: readonly string[]): Promise<void> {
      const statements: string[] = []
      await change(ids, (record) => {
        const { route, epoch } = record
        const password = randomBytes(16).toString('hex')
        const role = route.slot === 'a' ? `${route.role.slice(0, -1)}b` : route.role
        if (role !== route.role) statements.push(`alter role "${route.role}" nologin`)
        statements.push(`alter role "${role}" login password '${password}'`)
        const sealed = parts.sealer.seal(new Secret(password), tenantPasswordBinding(registry.id, record))
        return {
          ...record,
          epoch: epoch + 1,
          route: { ...route, role, slot: route.slot && 'b', password: sealed },
        }
      })
      await server.execute(statements.join(';'))
    }

    /** What a router answers for each tenant: the name in its table, or the error's code. */
    async function servedBy(ids: readonly string[]): Promise<Record<string, unknown>> {
      const opener = new RouteOpener(parts.sealer, registry.id, RouterOptions.parse({}))
      const backends = { open: opener.open.bind(opener), confirmGone: opener.confirmGone.bind(opener) }
      await using directory = new Directory(registry)
      await using router = new TenantRouter(directory, backends, {})
      const answers: Record<string, unknown> = {}
      for (const id of ids) {
        const rows = router.sql(id)`select name from owner`
        answers[id] = await rows.then(
          ([row]) => row?.['name'],
          (error: { code: string }) => error.code,
        )
      }
      return answers
    }

    async function mayLogIn(role: string): Promise<boolean> {
      const [row] = await server.query<{ login: boolean }>(
        'select rolcanlogin as login from pg_roles where rolname = $1',
        [role],
      )
      return row?.login ?? false
    }

    it('serves nobody whose password was rotated since, and says in a dry run what would be done', async () => {
      expect(await servedBy([...ROTATED, 'deleted'])).toEqual({
        ...Object.fromEntries(ROTATED.map((id) => [id, 'login_failed'])),
        deleted: 'tenant_deleted',
      })
      const { tenants } = await acceptServer(parts, 'main', { dryRun: true }, 'test')
      expect(tenants.filter(({ outcome }) => outcome === 'accepted').map(({ tenant }) => tenant)).toEqual(
        [...ROTATED, 'suspended', 'deleted'].toSorted(),
      )
      expect(await servedBy(['t0'])).toEqual({ t0: 'login_failed' })
    })

    it('serves them all again after one command, and nobody who was deleted or suspended', async () => {
      const began = performance.now()
      const { tenants } = await acceptServer(parts, 'main', {}, 'test')
      const acceptMs = Math.round(performance.now() - began)
      const answers = await servedBy([...ROTATED, 'untouched', 'suspended', 'deleted'])
      const figures = {
        rotated: count,
        accepted: tenants.filter(({ outcome }) => outcome === 'accepted').length,
        acceptMs,
        servedAgain: ROTATED.filter((id) => answers[id] === id).length,
        deleted: answers['deleted'],
      }
      process.stdout.write(`restore drill: ${JSON.stringify(figures)}\n`)
      expect(answers).toEqual({
        ...Object.fromEntries(ROTATED.map((id) => [id, id])),
        untouched: 'untouched',
        suspended: 'tenant_suspended',
        deleted: 'tenant_deleted',
      })
      for (const id of ['suspended', 'deleted']) {
        expect(await mayLogIn((await recordOf(id)).route.role)).toBe(false)
      }
      // A password that was rotated away has come back with the data; its slot has not.
      const { role } = (await recordOf('t0')).route
      expect(await mayLogIn(`${role.slice(0, -1)}a`)).toBe(false)
      expect(tenants.find(({ tenant }) => tenant === 'foreign')).toMatchObject({
        outcome: 'refused',
        refusal: expect.stringContaining('ALTER ROLE foreign PASSWORD'),
      })
      expect(tenants.find(({ tenant }) => tenant === 'kept')).toMatchObject({ outcome: 'as_recorded' })
    })

    it('finds nothing more to do the second time', async () => {
      const { tenants } = await acceptServer(parts, 'main', {}, 'test')
      expect(tenants.filter(({ outcome }) => outcome === 'accepted')).toEqual([])
    })

    it('takes on a stamp of another incarnation, and never one of another tenant, generation or of a move', async () => {
      const stamp = async (id: string, text: string) =>
        server.execute(`update tenantry.stamp set ${text}`, (await recordOf(id)).route.database)
      const incarnation = crypto.randomUUID()
      await stamp('t0', `incarnation = '${incarnation}'`)
      await stamp('t1', `tenant_id = 't2'`)
      await stamp('t2', `generation = generation + 1`)
      await stamp('t3', `state = 'moved'`)
      const { tenants } = await acceptServer(parts, 'main', {}, 'test')
      const outcome = Object.fromEntries(tenants.map(({ tenant, outcome }) => [tenant, outcome]))
      expect(outcome).toMatchObject({ t0: 'accepted', t1: 'refused', t2: 'refused', t3: 'refused' })
      expect((await recordOf('t0')).identity).toEqual({ kind: 'stamp', incarnation })
      expect(await servedBy(['t0', 't1', 't2', 't3'])).toEqual({
        t0: 't0',
        t1: 'identity_mismatch',
        t2: 'identity_mismatch',
        t3: 'identity_mismatch',
      })
    })

    it('opens no role of a tenant that is suspended while it is looked at', async () => {
      const { role } = (await recordOf('untouched')).route
      await server.execute(`alter role "${role}" nologin`)
      const suspending = new Proxy(registry, {
        get(target, name) {
          if (name !== 'commit') return bound(target, name)
          return async (...[commit, expectations]: Parameters<Registry['commit']>) => {
            const { action, target: id } = commit.audit
            if (action === 'tenant.accept') await suspendTenant(parts, id, {}, 'test')
            return target.commit(commit, expectations)
          }
        },
      })
      const { tenants } = await acceptServer({ ...parts, registry: suspending }, 'main', {}, 'test')
      expect(tenants.find(({ tenant }) => tenant === 'untouched')).toMatchObject({ outcome: 'refused' })
      expect(await mayLogIn(role)).toBe(false)
    })

    it('pins a registered tenant anew where its database has another number, but not by one that is another tenant’s', async () => {
      const { database } = (await recordOf('kept')).route
      await server.execute(`alter database ${database} rename to gone`)
      await server.createDatabase(database, { owner: 'kept' })
      const before = await recordOf('kept')
      const { tenants } = await acceptServer(parts, 'main', {}, 'test')
      expect(tenants.find(({ tenant }) => tenant === 'kept')).toMatchObject({ outcome: 'accepted' })
      const after = await recordOf('kept')
      expect(after.identity).toMatchObject({ kind: 'pin', databaseName: database })
      expect(after.identity).not.toEqual(before.identity)
      await server.execute(`alter database ${database} rename to "set aside"`)
      await server.execute(
        `alter role "foreign" password 'old'; alter database "foreign" rename to ${database}`,
      )
      await server.execute(`grant connect on database ${database} to kept`)
      const { tenants: again } = await acceptServer(parts, 'main', {}, 'test')
      expect(again.find(({ tenant }) => tenant === 'kept')).toMatchObject({
        outcome: 'refused',
        refusal: expect.stringContaining('tenant foreign'),
      })
    })
  })
}

function bound(target: Registry, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target)
  return typeof value === 'function' ? value.bind(target) : value
}

/** A copy of a stopped server's data, which then runs on. */
async function snapshotOf(server: OwnPostgresServer, folder: string): Promise<string> {
  const copy = join(folder, 'snapshot')
  await server.whileStopped((data) => copyWhole(data, copy))
  return copy
}

async function putBack(server: OwnPostgresServer, snapshot: string): Promise<void> {
  await server.whileStopped(async (data) => {
    await rm(data, { recursive: true })
    await copyWhole(snapshot, data)
  })
}

/** With its owner, which is not us where we are root. */
async function copyWhole(from: string, to: string): Promise<void> {
  await execute('cp', ['-a', from, to])
}
