import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { showOperation } from '../../../src/lifecycle/operation/list-operations.ts'
import { Recovery } from '../../../src/lifecycle/operation/recovery.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { rotateTenant } from '../../../src/lifecycle/rotate/rotate-tenant.ts'
import {
  type RotateTenants,
  startRotationOfMany,
  type TenantsRotated,
} from '../../../src/lifecycle/rotate/rotate-tenants.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { resumeTenant } from '../../../src/lifecycle/tenant/resume-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import { dyingAfter, dyingAt, successor } from '../dying.ts'
import { LifecycleGround, randomName } from '../ground.ts'
import { beforeCommit, firstOf } from '../meanwhile.ts'
import { mayLogin } from './logins.ts'

const IDS = ['acme', 'globex']
/** One process serves, and none at all here. */
const AT_ONCE = { hearMs: 0, drainMs: 0 }
const ALL = { select: { labels: { plan: 'pro' } }, concurrency: 1, ...AT_ONCE }

let ground: LifecycleGround
beforeAll(async () => {
  ground = await LifecycleGround.withServer(18)
  for (const id of IDS) await provisionTenant(ground.parts, { id, labels: { plan: 'pro' } }, 'test')
  await provisionTenant(ground.parts, { id: 'hooli' }, 'test')
})
afterAll(() => ground[Symbol.asyncDispose]())

const epochs = () => Promise.all(IDS.map(async (id) => (await ground.tenant(id)).epoch))

async function rotateMany(parts: LifecycleParts, input: RotateTenants = ALL): Promise<TenantsRotated> {
  return (await startRotationOfMany(parts, input, 'test')).result
}

const shortly = ({ outcomes }: TenantsRotated) =>
  outcomes.map(({ tenant, outcome }) => `${tenant} ${outcome}`)

/** Of the fleet's operations, the one that ended or began last. */
async function lastOfFleet() {
  const { entries } = await ground.registry.list('operation', undefined, { limit: 1000 })
  const fleet = entries.filter(({ record }) => record.kind === 'rotate' && record.tenant === null)
  const [last] = fleet.toSorted((a, b) => b.record.startedAt.localeCompare(a.record.startedAt))
  if (last === undefined) throw new Error('no rotation of many')
  return last
}

const ENDINGS: readonly (readonly [string, (parts: LifecycleParts) => LifecycleParts])[] = [
  ...['make', 'close'].map(
    (step) => [`after step ${step} of a tenant`, (parts: LifecycleParts) => dyingAfter(parts, step)] as const,
  ),
  ['before it kept how far it is', (parts) => dyingAt(parts, 'dies-before', 'fleet.rotate.progress')],
  ['once it kept how far it is', (parts) => dyingAt(parts, 'dies-after', 'fleet.rotate.progress')],
  ['before it was over', (parts) => dyingAt(parts, 'dies-before', 'fleet.rotate.done')],
]

describe('a rotation of many tenants', () => {
  it('is one operation that rotates each of a selection and nobody else', async () => {
    const { epoch } = await ground.tenant('hooli')
    const progress: string[] = []
    const parts = {
      ...ground.parts,
      onProgress: (view: { tenant: string | null; progress: { done: number; total: number } | null }) => {
        if (view.tenant === null && view.progress)
          progress.push(`${view.progress.done}/${view.progress.total}`)
      },
    }
    const rotated = await rotateMany(parts)
    expect(shortly(rotated)).toEqual(IDS.map((id) => `${id} done`))
    expect(new Set(progress)).toEqual(new Set(['0/2', '1/2', '2/2']))
    expect((await lastOfFleet()).record).toMatchObject({ state: 'done', progress: { done: 2, total: 2 } })
    expect((await ground.tenant('hooli')).epoch).toBe(epoch)
  })

  it.each(ENDINGS)(
    'is gone on with where its process ended %s, and rotates nobody twice',
    async (_, dying) => {
      const before = await epochs()
      await expect(rotateMany(dying(ground.parts))).rejects.toThrow('the process is gone')
      const { id } = await lastOfFleet()
      await (await resumeOperation(successor(ground.parts), id, 'test')).result
      expect(await epochs()).toEqual(before.map((epoch) => epoch + 1))
      expect(await showOperation(ground.registry, id)).toMatchObject({
        state: 'done',
        progress: { done: 2, total: 2 },
      })
      for (const tenant of IDS) {
        const { role } = (await ground.tenant(tenant)).route
        const slots = [`${role.slice(0, -1)}a`, `${role.slice(0, -1)}b`]
        expect(await mayLogin(ground, slots)).toEqual([role])
      }
    },
  )

  it('is gone on with by a service that runs, once nobody has heard of its process for a while', async () => {
    const before = await epochs()
    const parts = { ...ground.parts, holdMs: 300 }
    await expect(rotateMany(dyingAfter(parts, 'prove'))).rejects.toThrow('the process is gone')
    const run = (work: () => Promise<void>) => work()
    const listener = { recovered: () => undefined, lookFailed: () => undefined, run }
    using _recovery = new Recovery(parts, listener, 50)
    await vi.waitFor(async () => expect((await lastOfFleet()).record.state).toBe('done'), 20_000)
    expect(await epochs()).toEqual(before.map((epoch) => epoch + 1))
  })

  it('waits for a rotation of one of them that another process is at, and takes it for its own', async () => {
    const before = await epochs()
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    const other = {
      ...ground.parts,
      onStep: ({ name }: { name: string }) => (name === 'switch' ? held : undefined),
    }
    const elsewhere = rotateTenant(other, 'globex', AT_ONCE, 'test')
    await vi.waitFor(async () => expect((await ground.tenant('globex')).operation).not.toBeNull())
    const { result } = await startRotationOfMany(
      ground.parts,
      { ...ALL, concurrency: 2 },
      'test',
      (outcome) => {
        if (outcome.tenant === 'acme') release() // the other one is waited for
      },
    )
    expect(shortly(await result)).toEqual(['acme done', 'globex there'])
    await elsewhere
    expect(await epochs()).toEqual(before.map((epoch) => epoch + 1))
  })

  it('takes for its own what another process did between a look and the change', async () => {
    const before = await epochs()
    const first = () => rotateTenant(ground.parts, 'acme', AT_ONCE, 'test')
    const parts = beforeCommit(ground.parts, firstOf('tenant.rotate'), first)
    expect(shortly(await rotateMany(parts))).toEqual(['acme there', 'globex done'])
    expect(await epochs()).toEqual(before.map((epoch) => epoch + 1))
  })

  it('begins no further one after a failure; resumed, it goes on with the rest', async () => {
    await suspendTenant(ground.parts, 'acme', {}, 'test')
    expect(shortly(await rotateMany(ground.parts))).toEqual(['acme failed', 'globex not_begun'])
    const { id, record } = await lastOfFleet()
    expect(record.state).toBe('failed')
    expect(record.error).toMatch(/^1 of 2 tenants failed, 1 were not begun\. acme: .* is suspended/)
    const all = await rotateMany(ground.parts, { ...ALL, continueOnError: true })
    expect(shortly(all)).toEqual(['acme failed', 'globex done'])
    await resumeTenant(ground.parts, 'acme', 'test')
    const before = await epochs()
    await (await resumeOperation(ground.parts, id, 'test')).result
    // Since it began the other was rotated, by whoever.
    expect(await epochs()).toEqual(before.map((epoch, at) => epoch + (at === 0 ? 1 : 0)))
    expect((await showOperation(ground.registry, id)).state).toBe('done')
  })

  it('leaves registered tenants of a selection to their owners, and says of one that is named what to do', async () => {
    const role = randomName('theirs')
    const database = randomName('theirs')
    const dsn = (await ground.foreign(role, [database]))(database)
    await registerTenant(ground.parts, { id: 'piper', labels: { plan: 'mixed' }, route: { dsn } }, 'test')
    await provisionTenant(ground.parts, { id: 'umbrella', labels: { plan: 'mixed' } }, 'test')
    const mixed = { ...ALL, select: { labels: { plan: 'mixed' } } }
    expect(shortly(await rotateMany(ground.parts, { ...mixed, dryRun: true }))).toEqual([
      'piper registered',
      'umbrella selected',
    ])
    expect(shortly(await rotateMany(ground.parts, mixed))).toEqual(['piper registered', 'umbrella done'])
    expect((await lastOfFleet()).record.progress).toEqual({ done: 1, total: 1 })
    const named = rotateMany(ground.parts, { ...mixed, select: { tenants: ['piper'] } })
    await expect(named.then(shortly)).resolves.toEqual(['piper failed'])
  })

  it('only names them in a dry run, and rotates none without the admin key or where a name is wrong', async () => {
    const before = await epochs()
    const dry = await rotateMany({ ...ground.parts, adminSealer: undefined }, { ...ALL, dryRun: true })
    expect(shortly(dry)).toEqual(IDS.map((id) => `${id} selected`))
    const keyless = rotateMany({ ...ground.parts, adminSealer: undefined })
    await expect(keyless).rejects.toThrow(/needs TENANTRY_ADMIN_KEY/)
    const mistyped = rotateMany(ground.parts, { ...ALL, select: { tenants: ['acme', 'globx'] } })
    await expect(mistyped).rejects.toThrow('not in the registry: globx')
    expect(await epochs()).toEqual(before)
  })
})
