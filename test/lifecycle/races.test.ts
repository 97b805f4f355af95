import { describe, expect, it } from 'vitest'
import { issueCredential } from '../../src/lifecycle/credentials/issue-credential.ts'
import { deleteTenant } from '../../src/lifecycle/delete/delete-tenant.ts'
import { Operation } from '../../src/lifecycle/operation/operation.ts'
import { provisionTenant } from '../../src/lifecycle/provision/provision-tenant.ts'
import { startSpares } from '../../src/lifecycle/provision/spare/make-spares.ts'
import { rotateTenant } from '../../src/lifecycle/rotate/rotate-tenant.ts'
import { removeServer } from '../../src/lifecycle/server/remove-server.ts'
import { resumeTenant } from '../../src/lifecycle/tenant/resume-tenant.ts'
import { setTenant } from '../../src/lifecycle/tenant/set-tenant.ts'
import { suspendTenant } from '../../src/lifecycle/tenant/suspend-tenant.ts'
import { dyingAfter } from './dying.ts'
import { LifecycleGround } from './ground.ts'
import { afterCommit, afterFirstRead, beforeCommit, firstOf } from './meanwhile.ts'

const NO_WAITS = { hearMs: 0, drainMs: 0 }

/** Login roles of the tenant's database as whom somebody could log in now. */
async function openRoles(ground: LifecycleGround): Promise<string[]> {
  const { database } = (await ground.tenant('acme')).route
  const rows = await ground.server.query<{ name: string }>(
    `select rolname as name from pg_roles where starts_with(rolname, $1) and rolcanlogin order by 1`,
    [`${database}_`],
  )
  return rows.map(({ name }) => name.slice(database.length + 1))
}

async function withAcme(): Promise<LifecycleGround> {
  const ground = await LifecycleGround.withServer(18)
  await provisionTenant(ground.parts, { id: 'acme' }, 'test')
  return ground
}

describe('a tenant that is deleted', () => {
  const remove = (ground: LifecycleGround) => deleteTenant(ground.parts, 'acme', { confirm: 'acme' }, 'test')

  it('is let in by nobody who was about to resume it', async () => {
    await using ground = await withAcme()
    await suspendTenant(ground.parts, 'acme', {}, 'test')
    const parts = afterFirstRead(ground.parts, () => remove(ground))
    await expect(resumeTenant(parts, 'acme', 'test')).rejects.toMatchObject({ code: 'precondition_failed' })
    expect(await openRoles(ground)).toEqual([])
  })

  it('has no login for a person that was being made', async () => {
    await using ground = await withAcme()
    const parts = afterCommit(ground.parts, firstOf('tenant.credentials'), () => remove(ground))
    await expect(issueCredential(parts, 'acme', {}, 'test')).rejects.toMatchObject({
      code: 'precondition_failed',
    })
    expect(await openRoles(ground)).toEqual([])
  })
})

describe('a tenant that is resumed', () => {
  it('may log in, where somebody suspended it again meanwhile', async () => {
    await using ground = await withAcme()
    await suspendTenant(ground.parts, 'acme', {}, 'test')
    const parts = beforeCommit(ground.parts, firstOf('tenant.resume'), () =>
      suspendTenant(ground.parts, 'acme', {}, 'test'),
    )
    expect(await resumeTenant(parts, 'acme', 'test')).toMatchObject({ status: 'active' })
    await (await ground.connect('acme')).end()
  })

  it('may log in, where whoever suspended it before locks it only now', async () => {
    await using ground = await withAcme()
    const parts = afterCommit(ground.parts, firstOf('tenant.suspend'), () =>
      resumeTenant(ground.parts, 'acme', 'test'),
    )
    expect(await suspendTenant(parts, 'acme', {}, 'test')).toMatchObject({
      tenant: { status: 'active' },
      caveat: expect.stringMatching(/resumed/),
    })
    await (await ground.connect('acme')).end()
  })

  it('is served after a rotation that was under way when it was suspended and resumed', async () => {
    await using ground = await withAcme()
    const onStep = async ({ name }: { name: string }) => {
      if (name !== 'prove') return
      await suspendTenant(ground.parts, 'acme', {}, 'test')
      await resumeTenant(ground.parts, 'acme', 'test')
    }
    await rotateTenant({ ...ground.parts, onStep }, 'acme', NO_WAITS, 'test')
    await (await ground.connect('acme')).end()
    expect(await openRoles(ground)).toEqual(['b'])
  })
})

describe('a tenant whose limit is set twice at once', () => {
  it('has login roles with the limit on record', async () => {
    await using ground = await withAcme()
    const set = (parts: typeof ground.parts, maxConnections: number) =>
      setTenant(parts, 'acme', { limits: { maxConnections } }, 'test')
    const parts = afterCommit(ground.parts, firstOf('tenant.set'), () => set(ground.parts, 5))
    expect((await set(parts, 2)).caveat).toBeNull()
    const { role } = (await ground.tenant('acme')).route
    const found = await ground.server.query('select rolconnlimit as n from pg_roles where rolname = $1', [
      role,
    ])
    expect(found).toEqual([{ n: 5 * 4 + 3 }])
  })
})

describe('a server that is removed', () => {
  it('has no tenant that was just begun on it', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const parts = beforeCommit(ground.parts, firstOf('server.drain'), () =>
      provisionTenant(ground.parts, { id: 'acme' }, 'test'),
    )
    await expect(removeServer(parts, 'main', 'test')).rejects.toThrow(/acme/)
    // And it is as open to others as it was.
    expect(await provisionTenant(ground.parts, { id: 'globex' }, 'test')).toMatchObject({ created: true })
  })

  it('takes no tenant that was to be begun on it', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const parts = beforeCommit(ground.parts, firstOf('tenant.provision'), () =>
      removeServer(ground.parts, 'main', 'test'),
    )
    await expect(provisionTenant(parts, { id: 'acme' }, 'test')).rejects.toMatchObject({
      code: 'precondition_failed',
    })
    expect(await ground.registry.find('tenant', 'acme')).toBeUndefined()
  })

  it('is not one where a spare database is half made', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const dying = { ...dyingAfter(ground.parts, 'spare'), holdMs: 1 }
    await expect((await startSpares(dying, 'main', { count: 1 }, 'test')).result).rejects.toThrow(/gone/)
    await expect(removeServer(ground.parts, 'main', 'test')).rejects.toThrow(/spare/)
    await (await startSpares(ground.parts, 'main', { count: 0 }, 'test')).result
    expect(await removeServer(ground.parts, 'main', 'test')).toMatchObject({ id: 'main' })
  })
})

describe('an operation that has ended', () => {
  it('is nobody’s, also where its process was about to say that it is still at it', async () => {
    await using ground = await LifecycleGround.withServer(18)
    const holdMs = 30
    const commits: string[] = []
    const slow = beforeCommit(
      ground.parts,
      ({ audit }) => {
        commits.push(audit.action)
        return audit.action === 'fleet.import.done'
      },
      () => new Promise((resolve) => setTimeout(resolve, 3 * holdMs)),
    )
    const operation = await Operation.begin({ ...slow, holdMs }, { kind: 'import' }, 'test')
    await operation.done()
    await operation[Symbol.asyncDispose]()
    const entry = await ground.registry.find('operation', operation.record.id)
    expect(entry?.record).toMatchObject({ state: 'done', holder: null })
    expect(commits.at(-1)).toBe('fleet.import.done')
  })
})
