import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { diagnose } from '../../../src/lifecycle/doctor/doctor.ts'
import { listOperations } from '../../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { PROVISION_STEPS, provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { startTemplate } from '../../../src/lifecycle/provision/template/create-template.ts'
import { addServer } from '../../../src/lifecycle/server/add-server.ts'
import { setTenant } from '../../../src/lifecycle/tenant/set-tenant.ts'
import { PostgresRegistry } from '../../../src/registry/postgres/postgres-registry.ts'
import { Secret } from '../../../src/secret.ts'
import { type PostgresServer, sharedPostgres } from '../../support/postgres.ts'
import { linesOf, troubles } from '../doctor/patient.ts'
import { LifecycleGround, randomName } from '../ground.ts'
import { Numbers, Replica, SCHEMA } from '../replicas/replica.ts'

const MORE = 10
const OF_TEMPLATES = 'own'
const EVERY_STEP: readonly string[] = PROVISION_STEPS.map(({ name }) => name)
const refused = { code: 'registry_unavailable' }

/** A Postgres that holds the registry, and how it comes to refuse what would be written. */
export interface Management {
  readonly dsn: string
  refuseWrites(): Promise<void>
  takeWrites(): Promise<void>
}

/** A ground whose registry is there. */
async function groundOver({ dsn }: Management): Promise<LifecycleGround> {
  const server: PostgresServer = sharedPostgres(18)
  const role = randomName('admin')
  await server.createRole(role, 'pw', 'createdb createrole')
  const registry = await PostgresRegistry.open(new Secret(dsn))
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-lifecycle-'))
  const admin = { role, dsn: server.dsn('postgres', role, 'pw') }
  const ground = new LifecycleGround(folder, server, registry, admin)
  await addServer(ground.parts, { id: 'main', dsn: admin.dsn }, 'test')
  return ground
}

/** A tenant for each step, whose process is held after that step ran and before it is kept. */
function beginEach(parts: LifecycleParts, steps: readonly string[]) {
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const arrived = new Set<string>()
  const ended = steps.map((step) => {
    const onStep = async ({ name }: { name: string }) => {
      if (name !== step) return
      arrived.add(step)
      await released
    }
    const template = steps.includes(OF_TEMPLATES) ? { template: 'v1' } : {}
    const extensions = ['tsm_system_time' as const]
    const input = { id: `at-${step}`, ...template, extensions, schema: SCHEMA }
    return provisionTenant({ ...parts, onStep }, input, 'test').then(
      () => 'made',
      (error: { code: string }) => error.code,
    )
  })
  const all = Promise.all(ended)
  const end = async () => {
    release()
    return all
  }
  return { arrived, end, [Symbol.asyncDispose]: async () => void (await end()) }
}

/** Databases and roles of the admin. */
async function onServer({ server, admin }: LifecycleGround): Promise<string[]> {
  const found = await server.query<{ name: string }>(
    `select datname as name from pg_database where pg_has_role($1, datdba, 'member')
     union all select rolname from pg_roles where rolname <> $1 and pg_has_role($1, oid, 'member') order by 1`,
    [admin.role],
  )
  return found.map(({ name }) => name)
}

/** What there is of each tenant that is in use, and of the template `v1`. */
async function onRecord(ground: LifecycleGround, ids: readonly string[]): Promise<string[]> {
  const names: string[] = []
  for (const id of ids) {
    const { database } = (await ground.tenant(id)).route
    names.push(database, ...['_a', '_b', '_m', '_owner'].map((end) => database + end))
  }
  const server = await ground.registry.find('server', 'main')
  for (const { database, owner } of server?.record.templates ?? []) names.push(database, owner)
  return names.toSorted((a, b) => (a < b ? -1 : 1))
}

/**
 * Makes a tenant for each of these steps that make one, and lets the management database refuse writes when each has come so far:
 * nothing of it fails otherwise than in our words, tenants in use are served, nothing more is begun, and once writes are
 * taken again every one is gone on with to its end, with nothing left over.
 * @returns how many were gone on with.
 */
export async function expectWholeTenants(management: Management, steps = EVERY_STEP): Promise<number> {
  await using ground = await groundOver(management)
  const parts = { ...ground.parts, scramIterations: 1 }
  if (steps.includes(OF_TEMPLATES))
    await (await startTemplate(parts, { name: 'v1', schema: 'create table base (id int)' }, 'test')).result
  await provisionTenant(parts, { id: 'served', schema: SCHEMA }, 'test')
  await using replica = new Replica(parts, ['served'], new Numbers(), 1)
  await replica.goOn(['served'], 1)
  await using begun = beginEach(parts, steps)
  await vi.waitFor(() => expect(begun.arrived.size).toBe(steps.length), 60_000)

  await management.refuseWrites()
  const before = await onServer(ground)
  expect(new Set(await begun.end())).toEqual(new Set([refused.code]))
  await expect(provisionTenant(parts, { id: 'late' }, 'test')).rejects.toMatchObject(refused)
  await expect(setTenant(parts, 'served', { labels: { a: 'b' } }, 'test')).rejects.toMatchObject(refused)
  expect(await onServer(ground)).toEqual(before)
  for (const step of steps) expect(await replica.ask(`at-${step}`)).toBe('tenant_unavailable')
  await replica.goOn(['served'], MORE)
  expect(replica.answersOf('served')).toEqual(['ran'])

  await management.takeWrites()
  const successor = { ...parts, isAlone: true }
  const { operations } = await listOperations(ground.registry, { state: 'running' })
  expect(operations).toHaveLength(steps.length)
  for (const { id } of operations) await (await resumeOperation(successor, id, 'test')).result
  await provisionTenant(parts, { id: 'late' }, 'test')
  const made = steps.map((step) => `at-${step}`)
  for (const id of made) expect([id, (await ground.tenant(id)).status]).toEqual([id, 'active'])
  expect(await onServer(ground)).toEqual(await onRecord(ground, ['late', 'served', ...made]))
  expect(linesOf(troubles(await diagnose(ground.parts, {})))).toEqual([])
  return operations.length
}
