import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { deleteTenant } from '../../src/lifecycle/delete/delete-tenant.ts'
import { purgeTenant } from '../../src/lifecycle/delete/purge-tenant.ts'
import { diagnose } from '../../src/lifecycle/doctor/doctor.ts'
import { resumeOperation } from '../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../src/lifecycle/provision/spare/make-spares.ts'
import { removeServer } from '../../src/lifecycle/server/remove-server.ts'
import { registerTenant } from '../../src/lifecycle/tenant/register-tenant.ts'
import type { ServerRecord } from '../../src/registry/server-record.ts'
import { audit } from '../support/world-records.ts'
import { dyingAfter, runningOf, successor } from './dying.ts'
import { LifecycleGround, randomName } from './ground.ts'
import { deletedTenant, entriesOf, namedAfter } from './purge-ground.ts'

/** Nobody listens there. */
const DEAD_PORT = 1

let ground: LifecycleGround
let there: ServerRecord
beforeAll(async () => {
  ground = await LifecycleGround.withServer(18)
  there = await serverRecord()
})
afterEach(() => bring(there))
afterAll(() => ground[Symbol.asyncDispose]())

async function serverRecord(): Promise<ServerRecord> {
  const entry = await ground.registry.find('server', 'main')
  if (entry === undefined) throw new Error('no server')
  return entry.record
}

async function bring(change: Partial<ServerRecord>): Promise<void> {
  const entry = await ground.registry.find('server', 'main')
  if (entry === undefined) return
  const put = { kind: 'server' as const, id: 'main', record: { ...entry.record, ...change } }
  await ground.registry.commit({ puts: [put], audit: audit('main') }, [entry])
}

const loseServer = () => bring({ endpoints: there.endpoints.map((one) => ({ ...one, port: DEAD_PORT })) })

function purge(id: string, parts: LifecycleParts = ground.parts, serverGone = true) {
  return purgeTenant(parts, id, { confirm: id, now: true, serverGone }, 'test')
}

/** What a purge left that has not seen it. */
async function dropLeft(database: string): Promise<void> {
  await ground.server.dropDatabase(database)
  const roles = (await namedAfter(ground, database)).map((name) => pg.escapeIdentifier(name))
  if (roles.length > 0) await ground.server.execute(`drop role ${roles.join(', ')}`)
}

async function audited(action: string) {
  const { entries } = await ground.registry.auditTrail(undefined, { action, limit: 1 })
  return entries[0]?.audit?.detail
}

describe('a purge of a tenant whose server is gone for good', () => {
  it('ends, and says of what nobody has seen that it is gone', async () => {
    const database = await deletedTenant(ground, 'acme')
    const { generation } = await ground.tenant('acme')
    await loseServer()
    await expect(purge('acme', ground.parts, false)).rejects.toMatchObject({ code: 'server_unavailable' })
    // The purge that failed for want of the server is gone on with.
    const { receipt } = await purge('acme')
    expect(receipt.map(({ what, outcome }) => `${what} ${outcome}`)).toEqual([
      'sessions unverified',
      'database unverified',
      'roles unverified',
      'keys gone',
      'aliases gone',
      'operations gone',
      'record gone',
    ])
    expect(receipt[1]?.detail).toMatch(
      new RegExp(
        `^Nobody has seen database ${database} gone: server main did not answer at 20.*:${DEAD_PORT}`,
      ),
    )
    expect(await audited('tenant.purge.done')).toMatchObject({ database: 'unverified 0', record: 'gone 1' })
    expect(await entriesOf(ground.registry, 'acme')).toEqual(['purge done'])

    await bring(there)
    const { findings } = await diagnose(ground.parts, { server: 'main' })
    expect(findings.map(({ what }) => what).join('\n')).toContain(database)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    expect((await ground.tenant('acme')).generation).toBeGreaterThan(generation)
    await dropLeft(database)
  })

  it('is refused where the server answers, were it to let the admin in no more', async () => {
    await deletedTenant(ground, 'globex')
    await expect(purge('globex')).rejects.toThrow(/^Server main answers/)
    await bring({ admin: there.admin && { ...there.admin, role: randomName('nobody') } })
    await expect(purge('globex')).rejects.toThrow(/^Server main answers/)
    expect((await ground.tenant('globex')).status).toBe('deleted')
  })

  it('looks after all of it where the server answers again when it is gone on with', async () => {
    const database = await deletedTenant(ground, 'initech')
    await loseServer()
    await expect(purge('initech', dyingAfter(ground.parts, 'roles'))).rejects.toThrow('the process is gone')
    const id = await runningOf(ground.registry, 'initech')
    await bring(there)
    await (await resumeOperation(successor(ground.parts), id, 'test')).result
    expect(await namedAfter(ground, database)).toEqual([])
    expect(await audited('tenant.purge.done')).toMatchObject({ database: 'gone 1' })
  })

  it('is nothing for a registered one, of which nothing on the server is ours', async () => {
    const [role, database] = [randomName('role'), randomName('db')]
    const dsn = await ground.foreign(role, [database])
    await registerTenant(ground.parts, { id: 'hooli', route: { dsn: dsn(database) } }, 'test')
    await deleteTenant(ground.parts, 'hooli', { confirm: 'hooli' }, 'test')
    await loseServer()
    await expect(purge('hooli')).rejects.toMatchObject({ code: 'invalid_request' })
    const { receipt } = await purge('hooli', ground.parts, false)
    expect(receipt[1]).toMatchObject({ what: 'database', outcome: 'left' })
  })
})

describe('a server that is gone for good', () => {
  it('goes off the record with its spares, but not while it answers or has tenants', async () => {
    await using own = await LifecycleGround.withServer(18)
    await (await startSpares(own.parts, 'main', { count: 1 }, 'test')).result
    const entry = await own.registry.find('server', 'main')
    if (entry === undefined) throw new Error('no server')
    const [spare] = entry.record.spares?.ready ?? []
    const remove = () => removeServer(own.parts, 'main', 'test', { gone: true })
    await expect(remove()).rejects.toThrow(/^Server main answers/)
    const endpoints = entry.record.endpoints.map((one) => ({ ...one, port: DEAD_PORT }))
    const put = { kind: 'server' as const, id: 'main', record: { ...entry.record, endpoints } }
    const present = await own.registry.find('server', 'main')
    await own.registry.commit({ puts: [put], audit: audit('main') }, present ? [present] : [])
    await expect(removeServer(own.parts, 'main', 'test')).rejects.toThrow(/1 spare databases/)
    await remove()
    expect(await own.registry.find('server', 'main')).toBeUndefined()
    const { entries } = await own.registry.auditTrail(undefined, { action: 'server.remove' })
    expect(entries[0]?.audit?.detail).toMatchObject({ spares: 1, templates: 0 })
    await dropLeft(spare?.database ?? '')
  })
})
