import { describe, expect, it } from 'vitest'
import { deleteTenant } from '../../../src/lifecycle/delete/delete-tenant.ts'
import { purgeTenant } from '../../../src/lifecycle/delete/purge-tenant.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import { LifecycleGround } from '../ground.ts'
import { entriesOf, namedAfter } from '../purge-ground.ts'
import { Numbers, Replica, SCHEMA } from './replica.ts'

const BOTH = ['acme', 'globex']
const WITHIN_MS = 1_000

interface Load {
  /** Of each replica. */
  readonly workers: number
  /** For each tenant, by each replica, in each phase. */
  readonly requests: number
}

/** Two tenants, and two replicas under load; the second is cut off from the registry when `far.link.cut()` says so. */
async function fleet({ workers, requests }: Load) {
  const ground = await LifecycleGround.withServer(18)
  const parts = { ...ground.parts, scramIterations: 1 }
  for (const id of BOTH) await provisionTenant(parts, { id, schema: SCHEMA }, 'test')
  const numbers = new Numbers()
  const near = new Replica(parts, BOTH, numbers, workers)
  const far = new Replica(parts, BOTH, numbers, workers)
  const goOn = () => Promise.all([near.goOn(BOTH, requests), far.goOn(BOTH, requests)])
  await goOn()
  return {
    ground,
    numbers,
    near,
    far,
    goOn,
    [Symbol.asyncDispose]: async () => {
      await near[Symbol.asyncDispose]()
      await far[Symbol.asyncDispose]()
      await ground[Symbol.asyncDispose]()
    },
  }
}

async function lastThatRan({ server }: LifecycleGround, database: string): Promise<number> {
  const [row] = await server.query<{ last: string | null }>('select max(no) as last from ran', [], database)
  return Number(row?.last)
}

/** A statement that would write when it ends, long after the test. */
const lasting = ({ router }: Replica) =>
  router.sql('acme')`insert into ran select 1e9 from pg_sleep(300)`.then(
    () => 'ran',
    (error: { code: string }) => error.code,
  )

export function describeLateRequests(load: Load): void {
  describe(`two replicas under the load of ${load.workers} workers each, one cut off from the registry`, () => {
    it('run no request that began after a suspension was acknowledged, and end those under way within a second', async () => {
      await using fleets = await fleet(load)
      const { ground, numbers, near, far, goOn } = fleets
      const { database } = (await ground.tenant('acme')).route
      const under = [lasting(near), lasting(far)]
      far.link.cut()
      await suspendTenant(near.parts, 'acme', {}, 'test')
      const last = numbers.last
      const acknowledgedAt = performance.now()
      for (const code of await Promise.all(under)) expect(code).not.toBe('ran')
      expect(performance.now() - acknowledgedAt).toBeLessThan(WITHIN_MS)
      await goOn()
      expect(near.answersOf('acme')).toEqual(['tenant_suspended'])
      expect(far.answersOf('acme')).not.toContain('ran')
      expect(await lastThatRan(ground, database)).toBeLessThanOrEqual(last)
      expect(await ground.server.sessionsOf(database)).toBe(0)
      expect([near.answersOf('globex'), far.answersOf('globex')]).toEqual([['ran'], ['ran']])
    }, 600_000)

    it('keep nothing of a tenant that is deleted, purged and made anew: no late request runs, or makes anything again', async () => {
      await using fleets = await fleet(load)
      const { ground, numbers, near, far, goOn } = fleets
      const { database: old } = (await ground.tenant('acme')).route
      const session = await ground.connect('acme')
      await session.query('begin; insert into ran values (1e9)')
      far.link.cut()
      await deleteTenant(near.parts, 'acme', { confirm: 'acme' }, 'test')
      const last = numbers.last
      await goOn()
      expect(near.answersOf('acme')).toEqual(['tenant_deleted'])
      expect(await lastThatRan(ground, old)).toBeLessThanOrEqual(last)

      const late: string[] = []
      const onStep = async () => void late.push(await near.ask('acme'), await far.ask('acme'))
      await purgeTenant({ ...near.parts, onStep }, 'acme', { confirm: 'acme', now: true }, 'test')
      await goOn()
      expect(late.length).toBeGreaterThan(10)
      expect([...late, ...near.answersOf('acme'), ...far.answersOf('acme')]).not.toContain('ran')
      expect(near.answersOf('acme')).toEqual(['tenant_unknown'])
      expect(await namedAfter(ground, old)).toEqual([])
      expect(await entriesOf(ground.registry, 'acme')).toEqual(['purge done'])

      await expectNew(near.parts, fleets, old)
      expect([near.answersOf('globex'), far.answersOf('globex')]).toEqual([['ran'], ['ran']])
    }, 600_000)
  })
}

/** One of the same name: the replica that is cut off does not reach it, and is in it once it hears of it. */
async function expectNew(
  parts: LifecycleParts,
  { ground, numbers, near, far, goOn }: Awaited<ReturnType<typeof fleet>>,
  old: string,
): Promise<void> {
  const from = numbers.last
  const { tenant } = await provisionTenant(parts, { id: 'acme', schema: SCHEMA }, 'test')
  await goOn()
  expect([near.answersOf('acme'), far.answersOf('acme').includes('ran')]).toEqual([['ran'], false])
  far.link.join()
  while (!far.answersOf('acme').includes('ran')) await far.goOn(['acme'], 1)
  await goOn()
  expect(far.answersOf('acme')).toEqual(['ran'])
  const [row] = await ground.server.query<{ first: string }>(
    'select min(no) as first from ran',
    [],
    tenant.database,
  )
  expect(Number(row?.first)).toBeGreaterThan(from)
  expect(await namedAfter(ground, old)).toEqual([])
}
