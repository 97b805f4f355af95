import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { deleteTenant, startDeletion } from '../../src/lifecycle/delete/delete-tenant.ts'
import { undeleteTenant } from '../../src/lifecycle/delete/undelete-tenant.ts'
import { createKey } from '../../src/lifecycle/key/create-key.ts'
import { listOperations, showOperation } from '../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import { resumeTenant } from '../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../src/lifecycle/tenant/suspend-tenant.ts'
import { audit } from '../support/world-records.ts'
import { dyingAfter, dyingAt, runningOf, successor } from './dying.ts'
import { LifecycleGround, randomName, sqlstateOf } from './ground.ts'

const SCHEMA = "create table projects (name text); insert into projects values ('one')"
const DAY_MS = 86_400_000
const GONE = 'the process is gone'

let ground: LifecycleGround
beforeAll(async () => {
  ground = await LifecycleGround.withServer(18)
})
afterAll(() => ground[Symbol.asyncDispose]())

const make = (on: LifecycleGround, id: string) => provisionTenant(on.parts, { id, schema: SCHEMA }, 'test')

async function namesIn(on: LifecycleGround, id: string): Promise<unknown[]> {
  const client = await on.connect(id)
  const { rows } = await client.query('select name from projects')
  await client.end()
  return rows
}

const drop = (parts: LifecycleParts, id: string) => deleteTenant(parts, id, { confirm: id }, 'test')

async function resumeRunning(tenant: string): Promise<void> {
  const id = await runningOf(ground.registry, tenant)
  await (await resumeOperation(successor(ground.parts), id, 'test')).result
  expect(await showOperation(ground.registry, id)).toMatchObject({ state: 'done', error: null })
}

/** The server's record leads to where nobody listens, until it is put back. */
async function outOfReach(): Promise<() => Promise<void>> {
  const move = async (port: number | undefined) => {
    const entry = await ground.registry.find('server', 'main')
    if (!entry) throw new Error('no server')
    const [endpoint] = entry.record.endpoints
    if (!endpoint) throw new Error('no endpoint')
    const record = { ...entry.record, endpoints: [{ ...endpoint, port: port ?? 1 }] }
    await ground.registry.commit({ puts: [{ kind: 'server', id: 'main', record }], audit: audit('main') }, [
      entry,
    ])
    return endpoint.port
  }
  const port = await move(undefined)
  return async () => void (await move(port))
}

describe.each([15, 18] as const)('deleting a provisioned tenant on Postgres %i', (version) => {
  it('ends its sessions, makes the database refuse it, and is taken back whole', async () => {
    await using own = await LifecycleGround.withServer(version)
    await make(own, 'acme')
    const session = await own.connect('acme')
    const before = await own.tenant('acme')
    const began = Date.now()
    const deleted = await drop(own.parts, 'acme')
    expect(deleted).toMatchObject({ fence: 'database', sessionsEnded: 1, caveat: null })
    expect(deleted.tenant).toMatchObject({
      status: 'deleted',
      operation: null,
      generation: before.generation,
    })
    const graceMs = Date.parse(deleted.purgeAfter) - began
    expect(graceMs).toBeGreaterThanOrEqual(30 * DAY_MS)
    expect(graceMs).toBeLessThan(30 * DAY_MS + 60_000)
    expect(await sqlstateOf(session.query('select 1'))).toBeDefined()
    expect(await sqlstateOf(own.connect('acme'))).toBe('28000')
    await undeleteTenant(own.parts, 'acme', 'test')
    expect(await own.tenant('acme')).toEqual({ ...before, updatedAt: expect.any(String) })
    expect(await namesIn(own, 'acme')).toEqual([{ name: 'one' }])
  })
})

describe('deleting', () => {
  it('changes nothing where anything but its name is typed', async () => {
    await make(ground, 'typed')
    for (const confirm of [undefined, '', 'globex', 'TYPED']) {
      const asked = deleteTenant(ground.parts, 'typed', { confirm }, 'test')
      await expect(asked).rejects.toMatchObject({
        code: 'invalid_request',
        message: expect.stringContaining('"typed"'),
      })
    }
    expect((await ground.tenant('typed')).status).toBe('active')
    expect(await namesIn(ground, 'typed')).toEqual([{ name: 'one' }])
  })

  it('takes back a suspended one as suspended, and its roles as locked as they were', async () => {
    await make(ground, 'unpaid')
    await suspendTenant(ground.parts, 'unpaid', { reason: 'unpaid' }, 'test')
    await drop(ground.parts, 'unpaid')
    const undeleted = await undeleteTenant(ground.parts, 'unpaid', 'test')
    expect(undeleted).toMatchObject({ status: 'suspended', statusReason: 'unpaid', deletion: null })
    expect(await sqlstateOf(ground.connect('unpaid'))).toBe('28000')
    await resumeTenant(ground.parts, 'unpaid', 'test')
    expect(await namesIn(ground, 'unpaid')).toEqual([{ name: 'one' }])
  })

  it('leaves the role of a registered tenant as it is, says so, takes it back, and keeps others out meanwhile', async () => {
    const name = randomName('r')
    const dsnOf = await ground.foreign(randomName('role'), [name])
    await registerTenant(ground.parts, { id: 'theirs', route: { dsn: dsnOf(name) } }, 'test')
    const session = await ground.connect('theirs')
    const deleted = await drop(ground.parts, 'theirs')
    expect(deleted).toMatchObject({ fence: 'registry', sessionsEnded: 1 })
    expect(deleted.caveat).toMatch(/not ours to lock/)
    expect(await sqlstateOf(session.query('select 1'))).toBeDefined()
    await (await ground.connect('theirs')).end()
    const another = registerTenant(ground.parts, { id: 'others', route: { dsn: dsnOf(name) } }, 'test')
    await expect(another).rejects.toThrow(/Tenant theirs, which was deleted and may be undeleted, lives in/)
    expect(await undeleteTenant(ground.parts, 'theirs', 'test')).toMatchObject({ status: 'active' })
  })

  it('makes sure of the lock when it is done again, and keeps the grace that was given', async () => {
    await make(ground, 'again')
    const input = { confirm: 'again', graceMs: DAY_MS }
    const first = await deleteTenant(ground.parts, 'again', input, 'test')
    await ground.server.execute(`alter role "${first.tenant.role}" login`)
    const again = await drop(ground.parts, 'again')
    expect(again).toMatchObject({
      purgeAfter: first.purgeAfter,
      fence: 'database',
      tenant: { status: 'deleted' },
    })
    expect(await sqlstateOf(ground.connect('again'))).toBe('28000')
    await undeleteTenant(ground.parts, 'again', 'test')
    expect(await namesIn(ground, 'again')).toEqual([{ name: 'one' }])
  })

  it('holds in the registry where the server cannot be reached, says so, and is gone on with', async () => {
    await make(ground, 'remote')
    const putBack = await outOfReach()
    const deleted = await drop(ground.parts, 'remote')
    expect(deleted).toMatchObject({ fence: 'registry', sessionsEnded: 0, tenant: { status: 'deleted' } })
    expect(deleted.caveat).toMatch(/server_unavailable.*Delete it again/)
    const [operation] = (await listOperations(ground.registry, { tenant: 'remote', state: 'failed' }))
      .operations
    expect(operation).toMatchObject({ kind: 'delete' })
    await putBack()
    expect(await drop(ground.parts, 'remote')).toMatchObject({
      fence: 'database',
      purgeAfter: deleted.purgeAfter,
    })
    expect((await showOperation(ground.registry, operation?.id ?? '')).state).toBe('done')
    expect(await sqlstateOf(ground.connect('remote'))).toBe('28000')
  })

  it('is not gone on with where the tenant was undeleted since', async () => {
    await make(ground, 'back')
    const putBack = await outOfReach()
    const { operation, result } = await startDeletion(ground.parts, 'back', { confirm: 'back' }, 'test')
    await result
    await putBack()
    await undeleteTenant(ground.parts, 'back', 'test')
    const resume = () => resumeOperation(ground.parts, operation?.id ?? '', 'test')
    await expect(resume()).rejects.toThrow(/undeleted since/)
    await drop(ground.parts, 'back')
    await expect(resume()).rejects.toThrow(/undeleted since/)
  })

  it('names the operation that has the tenant, and does not wait for it', async () => {
    const dying = provisionTenant(dyingAfter(ground.parts, 'furnish'), { id: 'held' }, 'test')
    await expect(dying).rejects.toThrow(GONE)
    const id = await runningOf(ground.registry, 'held')
    await expect(drop(ground.parts, 'held')).rejects.toMatchObject({
      code: 'precondition_failed',
      message: expect.stringContaining(id),
    })
  })

  it('is brought back by nothing but undelete', async () => {
    const broken = provisionTenant(
      ground.parts,
      { id: 'half', schema: 'create table x (y nonsense)' },
      'test',
    )
    await expect(broken).rejects.toMatchObject({ code: 'precondition_failed' })
    const { operation } = await ground.tenant('half')
    await drop(ground.parts, 'half')
    const resumed = resumeOperation(ground.parts, operation ?? '', 'test')
    await expect(resumed).rejects.toMatchObject({ code: 'tenant_deleted' })
    await expect(make(ground, 'half')).rejects.toMatchObject({ code: 'already_exists' })
    const refused = { code: 'precondition_failed' }
    await expect(suspendTenant(ground.parts, 'half', {}, 'test')).rejects.toMatchObject(refused)
    await expect(resumeTenant(ground.parts, 'half', 'test')).rejects.toMatchObject(refused)
    const key = createKey(ground.parts, { scope: { kind: 'tenant', tenant: 'half' } }, 'test')
    await expect(key).rejects.toMatchObject({ code: 'tenant_deleted' })
    expect((await ground.tenant('half')).status).toBe('deleted')
    expect(await undeleteTenant(ground.parts, 'half', 'test')).toMatchObject({ status: 'failed', operation })
    expect((await make(ground, 'half')).tenant.status).toBe('active')
  })
})

describe('undeleting', () => {
  it('is refused for who is not deleted, and where the process may not unlock the roles', async () => {
    await make(ground, 'stays')
    const undelete = (parts = ground.parts, id = 'stays') => undeleteTenant(parts, id, 'test')
    await expect(undelete()).rejects.toMatchObject({ code: 'precondition_failed' })
    await expect(undelete(ground.parts, 'nobody')).rejects.toMatchObject({ code: 'tenant_unknown' })
    await drop(ground.parts, 'stays')
    await expect(undelete({ ...ground.parts, adminSealer: undefined })).rejects.toThrow(/ADMIN_KEY/)
    expect((await ground.tenant('stays')).status).toBe('deleted')
    expect(await undelete()).toMatchObject({ status: 'active' })
  })
})

describe('a process that ended', () => {
  type Dying = (parts: LifecycleParts) => LifecycleParts
  const deletions: [string, Dying][] = [
    ['before the lock was on record', (parts) => dyingAt(parts, 'dies-before', 'tenant.delete.lock')],
    ['before the lock', (parts) => dyingAt(parts, 'dies-after', 'tenant.delete.lock')],
    ['after the lock', (parts) => dyingAfter(parts, 'fence')],
  ]
  it.each(deletions)('%s of a deletion has a successor that goes on', async (where, dying) => {
    const id = where.replaceAll(' ', '-')
    await make(ground, id)
    await expect(drop(dying(ground.parts), id)).rejects.toThrow(GONE)
    expect((await ground.tenant(id)).status).toBe('deleted')
    await resumeRunning(id)
    expect(await sqlstateOf(ground.connect(id))).toBe('28000')
    await undeleteTenant(ground.parts, id, 'test')
    expect(await namesIn(ground, id)).toEqual([{ name: 'one' }])
  })

  const undeletions: [string, Dying][] = [
    ['after the unlocking', (parts) => dyingAfter(parts, 'unlock')],
    ['before the end', (parts) => dyingAt(parts, 'dies-before', 'tenant.undelete.done')],
  ]
  it.each(undeletions)('%s of an undeletion has a successor that goes on', async (where, dying) => {
    const id = where.replaceAll(' ', '-')
    await make(ground, id)
    await drop(ground.parts, id)
    await expect(undeleteTenant(dying(ground.parts), id, 'test')).rejects.toThrow(GONE)
    expect((await ground.tenant(id)).status).toBe('deleted')
    await resumeRunning(id)
    expect(await namesIn(ground, id)).toEqual([{ name: 'one' }])
  })
})
