import { describe, expect, it } from 'vitest'
import { deleteTenant } from '../../src/lifecycle/delete/delete-tenant.ts'
import { purgeExpired, startPurgeOfExpired } from '../../src/lifecycle/delete/purge-expired.ts'
import { purgeTenant } from '../../src/lifecycle/delete/purge-tenant.ts'
import { showOperation } from '../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../src/lifecycle/operation/resume-operation.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { dyingAfter, dyingAt, successor } from './dying.ts'
import { LifecycleGround } from './ground.ts'
import { namedAfter } from './purge-ground.ts'

/** Tenants by their grace in milliseconds; null for one that is not deleted. @returns their databases. */
async function deletedWith(
  ground: LifecycleGround,
  graces: Record<string, number | null>,
): Promise<Record<string, string>> {
  const databases: Record<string, string> = {}
  for (const [id, graceMs] of Object.entries(graces)) {
    databases[id] = (await provisionTenant(ground.parts, { id }, 'test')).tenant.database
    if (graceMs !== null) await deleteTenant(ground.parts, id, { confirm: id, graceMs }, 'test')
  }
  return databases
}

describe('purging what is past its grace', () => {
  it('tells which in a dry run, purges them and nobody else, and is done with them', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const databases = await deletedWith(ground, { acme: 0, globex: 60_000, initech: null, hooli: 0 })
    const dry = await purgeExpired(ground.parts, { dryRun: true }, 'test')
    expect(dry).toMatchObject({ due: [{ tenant: 'acme' }, { tenant: 'hooli' }], purged: [], failed: [] })
    expect((await ground.tenant('acme')).status).toBe('deleted')
    const { operation, result } = await startPurgeOfExpired(ground.parts, {}, 'test')
    const { purged, failed } = await result
    expect([purged.map(({ tenant }) => tenant), failed]).toEqual([['acme', 'hooli'], []])
    const shown = await showOperation(ground.registry, operation?.id ?? '')
    expect(shown).toMatchObject({
      kind: 'purge',
      tenant: null,
      state: 'done',
      progress: { done: 2, total: 2 },
    })
    for (const id of ['acme', 'hooli']) expect(await namedAfter(ground, databases[id] ?? '')).toEqual([])
    expect((await ground.tenant('globex')).status).toBe('deleted')
    expect((await ground.tenant('initech')).status).toBe('active')
    expect(await purgeExpired(ground.parts, {}, 'test')).toEqual({ due: [], purged: [], failed: [] })
  })

  it('goes on past one that fails, and with it the next time', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const databases = await deletedWith(ground, { acme: 0, globex: 0 })
    await ground.server.execute(`create role "${databases['acme']}_guest"`) // not the admin's to lock or drop
    const first = await purgeExpired(ground.parts, {}, 'test')
    expect(first.failed).toMatchObject([
      { tenant: 'acme', error: expect.stringMatching(/stopped at step sessions: 42501/) },
    ])
    expect(first.purged).toMatchObject([{ tenant: 'globex' }])
    await ground.server.execute(`drop role "${databases['acme']}_guest"`)
    const second = await purgeExpired(ground.parts, {}, 'test')
    expect([second.failed, second.purged]).toMatchObject([[], [{ tenant: 'acme' }]])
    expect(await namedAfter(ground, databases['acme'] ?? '')).toEqual([])
  })

  it('takes up purges whose process is gone, and is itself gone on with', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await deletedWith(ground, { acme: 60_000, globex: 0 })
    const killed = purgeTenant(
      dyingAfter(ground.parts, 'database'),
      'acme',
      { confirm: 'acme', now: true },
      'test',
    )
    await expect(killed).rejects.toThrow('the process is gone')
    const dying = dyingAt(successor(ground.parts), 'dies-before', 'fleet.purge.progress')
    const { operation, result } = await startPurgeOfExpired(dying, {}, 'test')
    await expect(result).rejects.toThrow('the process is gone')
    const resumed = await resumeOperation(successor(ground.parts), operation?.id ?? '', 'test')
    await resumed.result
    for (const id of ['acme', 'globex']) expect(await ground.registry.find('tenant', id)).toBeUndefined()
    expect((await showOperation(ground.registry, operation?.id ?? '')).state).toBe('done')
  })
})
