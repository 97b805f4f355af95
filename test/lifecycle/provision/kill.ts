import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { diagnose } from '../../../src/lifecycle/doctor/doctor.ts'
import { listOperations } from '../../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import { CLAIM_STEPS, PROVISION_STEPS } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../../src/lifecycle/provision/spare/make-spares.ts'
import { startTemplate } from '../../../src/lifecycle/provision/template/create-template.ts'
import { TEMPLATE_STEPS } from '../../../src/lifecycle/provision/template/template-steps.ts'
import { linesOf, troubles } from '../doctor/patient.ts'
import { LifecycleGround } from '../ground.ts'
import type { Death, DyingInput } from './dying-process.ts'

const GIVEN_MS = 45_000
const SCRIPT = resolve(import.meta.dirname, 'dying-process.ts')
const SCHEMA = "create table projects (name text); insert into projects values ('one')"

/** One for each step of what makes a tenant; or of each kind of operation that makes databases. */
function deathsOf(what: 'tenants' | 'everything'): Death[] {
  const whole = { schema: SCHEMA, extensions: ['tsm_system_time' as const] }
  const tenants = [
    ...CLAIM_STEPS.map(({ name }) => ({ after: name, tenant: { id: `claim-${name}`, ...whole } })),
    ...PROVISION_STEPS.map(({ name }) => ({
      after: name,
      tenant: { id: `make-${name}`, template: 'v1', ...whole },
    })),
  ]
  if (what === 'tenants') return tenants
  const templates = TEMPLATE_STEPS.map(({ name }) => ({
    after: name,
    template: { name: `t-${name}`, ...whole },
  }))
  return [...tenants, ...templates, { after: 'spare', spares: 2 }]
}

export function describeKills(version: 15 | 18, what: 'tenants' | 'everything'): void {
  describe(`a process that makes databases on Postgres ${version}`, () => {
    it('and is killed after any step leaves what another ends whole, and nothing twice', async () => {
      await using ground = await LifecycleGround.withServer(version)
      const deaths = await killAfterEveryStep(ground, what)
      await expectWhole(ground, deaths)
      expect(await onServer(ground)).toEqual(await onRecord(ground, deaths))
      expect(linesOf(troubles(await diagnose(ground.parts, {})))).toEqual([])
    }, 60_000)
  })
}

/** Kills a process after every step of what makes databases, and lets another go on with it. */
async function killAfterEveryStep(
  ground: LifecycleGround,
  what: 'tenants' | 'everything',
): Promise<readonly Death[]> {
  const v1 = { name: 'v1', schema: 'create table base (id int)' }
  await (await startTemplate(ground.parts, v1, 'test')).result
  await (await startSpares(ground.parts, 'main', { count: CLAIM_STEPS.length }, 'test')).result
  const deaths = deathsOf(what)
  await die(ground, deaths)
  const left = await listOperations(ground.registry, { state: 'running' })
  expect(left.operations).toHaveLength(deaths.length)
  const parts = { ...ground.parts, isAlone: true }
  for (const { id } of left.operations) await (await resumeOperation(parts, id, 'test')).result
  return deaths
}

async function die({ folder, keys }: LifecycleGround, deaths: Death[]): Promise<void> {
  const input: DyingInput = {
    registry: join(folder, 'registry.yaml'),
    master: keys.master.reveal(),
    admin: keys.admin.reveal(),
    deaths,
  }
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), SCRIPT], {
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: GIVEN_MS, // should it never come so far as to kill itself
  })
  const said = text(child.stderr)
  const exit = once(child, 'exit')
  child.stdin.end(JSON.stringify(input))
  const [, signal] = await exit
  expect([await said, signal]).toEqual(['', 'SIGKILL'])
}

/** Every tenant in use, with its rows once. */
async function expectWhole(ground: LifecycleGround, deaths: readonly Death[]): Promise<void> {
  for (const id of tenantsOf(deaths)) {
    expect([id, (await ground.tenant(id)).status]).toEqual([id, 'active'])
    const client = await ground.connect(id)
    expect((await client.query('select name from projects')).rows).toEqual([{ name: 'one' }])
    expect((await client.query('select tenant_id as id from tenantry.stamp')).rows).toEqual([{ id }])
    await client.end()
  }
  const server = (await ground.registry.find('server', 'main'))?.record
  const ready = deaths.flatMap((death) => ('spares' in death ? [death.spares] : []))
  expect(server?.spares?.ready).toHaveLength(ready[0] ?? 0)
  const made = 1 + deaths.filter((death) => 'template' in death).length
  expect(server?.templates?.map(({ operation }) => operation)).toEqual(Array(made).fill(null))
}

/** Databases and roles that the registry says there are. */
async function onRecord(ground: LifecycleGround, deaths: readonly Death[]): Promise<string[]> {
  const server = (await ground.registry.find('server', 'main'))?.record
  const databases = server?.spares?.ready.map(({ database }) => database) ?? []
  for (const id of tenantsOf(deaths)) databases.push((await ground.tenant(id)).route.database)
  const names = databases.flatMap((name) => [name, ...['_a', '_b', '_m', '_owner'].map((end) => name + end)])
  for (const { database, owner } of server?.templates ?? []) names.push(database, owner)
  return names.toSorted(byName)
}

/** Those that the admin made. */
async function onServer(ground: LifecycleGround): Promise<string[]> {
  const found = await ground.server.query<{ name: string }>(
    `select d.datname as name from pg_database d where pg_has_role($1, d.datdba, 'member')
     union all
     select r.rolname from pg_roles r where r.rolname <> $1 and pg_has_role($1, r.oid, 'member')`,
    [ground.admin.role],
  )
  return found.map(({ name }) => name).toSorted(byName)
}

function tenantsOf(deaths: readonly Death[]): string[] {
  return deaths.flatMap((death) => ('tenant' in death ? [death.tenant.id] : []))
}

function byName(a: string, b: string): number {
  return a < b ? -1 : 1
}
