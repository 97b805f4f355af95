import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Put } from '../../src/registry/registry.ts'
import type { ServiceWorld } from '../http/service-world.ts'
import { change } from '../registry/records.ts'
import { Asking, ownerAt } from './asking.ts'
import { describeContract } from './contract.ts'
import { describeKilled } from './killed.ts'
import { BACKENDS, type Backend, ownTable, Rollout } from './rollout.ts'
import { BEFORE, Version } from './version.ts'

/** The registry's schema of the version before. */
const SCHEMA_BEFORE = { postgres: 3, file: 1, consul: 1 }
const STEPS = readdirSync(new URL('../../registry/postgres/', import.meta.url)).toSorted()
/** Milliseconds in which a change made by one replica is heard of by the others: `design.md` 5. */
const heard = { timeout: 2_000, interval: 20 }

let before: Version
let present: Version
beforeAll(async () => {
  before = await Version.before()
  present = await Version.present()
})
afterAll(async () => {
  await before?.[Symbol.asyncDispose]()
  await present?.[Symbol.asyncDispose]()
})

function describeTogether(backend: Backend): void {
  describe(`a registry in ${backend} under replicas of ${BEFORE.name} and of this version`, () => {
    let rollout: Rollout
    let serviceKey: string
    let operatorKey: string
    let old: ServiceWorld
    let young: ServiceWorld | undefined

    beforeAll(async () => {
      rollout = await Rollout.start(backend, before)
      serviceKey = await rollout.key(before, '--service')
      operatorKey = await rollout.key(before, '--operator', 'admin')
      for (const id of ['acme', 'globex', 'initech']) await rollout.create(before, id)
      old = await rollout.serve(before, operatorKey)
    })
    afterAll(async () => {
      await young?.[Symbol.asyncDispose]()
      await old?.[Symbol.asyncDispose]()
      await rollout?.[Symbol.asyncDispose]()
    })

    const both = () => {
      if (young === undefined) throw new Error('this version does not serve yet')
      return [old, young] as const
    }
    const owner = (replica: ServiceWorld, tenant: string) => ownerAt(replica, tenant, serviceKey)
    async function changed(replica: ServiceWorld, path: string, body: unknown = {}): Promise<void> {
      const { status, text } = await replica.operate(path, { body })
      if (status >= 300) throw new Error(`${path}: ${status} ${text}`)
    }

    it('is brought to the present schema while the one before serves, and no request fails', async () => {
      const asking = new Asking([old], ['acme', 'globex'], serviceKey)
      await asking.goOn(50)
      const from = SCHEMA_BEFORE[backend]
      const to = backend === 'postgres' ? STEPS.length : 1
      const migration = {
        backend,
        from,
        to,
        readableFrom: 1,
        steps: backend === 'postgres' ? STEPS.slice(from) : [],
      }
      expect(await rollout.migrate(present, '--dry-run')).toMatchObject(migration)
      expect(await rollout.migrate(present)).toMatchObject(migration)
      expect(await rollout.migrate(present)).toMatchObject({ from: to, to, steps: [] })
      // Of what is new nobody has given the old processes any right.
      await rollout.create(before, 'made-between')
      await changed(old, '/v1/tenants/made-between/suspend')
      await rollout.does(before, ['tenant', 'delete', 'made-between', '--yes', 'made-between'])
      await rollout.grant()
      young = await rollout.serve(present, operatorKey)
      await asking.goOn(200)
      expect((await asking.stop()).wrong).toEqual([])
    })

    it('serves from each the tenants of both', async () => {
      const [one, other] = both()
      await changed(one, '/v1/tenants', { id: 'made-before', schema: ownTable('made-before') })
      await changed(other, '/v1/tenants', { id: 'made-now', schema: ownTable('made-now') })
      for (const tenant of ['acme', 'made-before', 'made-now']) {
        await vi.waitFor(async () => {
          const answers = await Promise.all(both().map((replica) => owner(replica, tenant)))
          expect(answers).toEqual([tenant, tenant])
        }, heard)
      }
    })

    it('obeys in each a suspension by the other', async () => {
      for (const [one, other] of [both(), both().toReversed() as [ServiceWorld, ServiceWorld]]) {
        await changed(one, '/v1/tenants/globex/suspend')
        await vi.waitFor(async () => expect(await owner(other, 'globex')).toBe('tenant_suspended'), heard)
        await changed(other, '/v1/tenants/globex/resume')
        await vi.waitFor(async () => expect(await owner(one, 'globex')).toBe('globex'), heard)
      }
    })

    it('rotates by each under load on both, and no request fails', async () => {
      const tenants = ['acme', 'globex', 'made-before', 'made-now']
      const asking = new Asking(both(), tenants, serviceKey)
      for (const replica of both()) {
        await asking.goOn(100)
        await Promise.all(tenants.map((tenant) => changed(replica, `/v1/tenants/${tenant}/rotate`)))
      }
      await asking.goOn(200)
      expect((await asking.stop()).wrong).toEqual([])
    })

    it('keeps in records that the one before changes what it does not know', async () => {
      await using registry = await rollout.open()
      const later = async (kind: 'tenant' | 'server', id: string) => {
        const found = await registry.find(kind, id)
        // Of a later version, whose records this one does not know.
        await change(registry, {
          kind,
          id,
          record: { ...found?.record, laterField: { kept: kind } },
        } as unknown as Put)
      }
      await later('tenant', 'initech')
      await later('server', 'main')
      await rollout.does(before, ['tenant', 'set', 'initech', '--label', 'plan=pro'])
      await rollout.does(before, ['tenant', 'rotate', 'initech', '--hear', '2s', '--drain', '2s'])
      await rollout.does(before, ['tenant', 'suspend', 'initech'])
      await rollout.does(before, ['tenant', 'resume', 'initech'])
      await rollout.does(before, ['server', 'drain', 'main'])
      await rollout.does(before, ['server', 'undrain', 'main'])
      expect((await registry.find('tenant', 'initech'))?.record).toMatchObject({
        labels: { plan: 'pro' },
        laterField: { kept: 'tenant' },
      })
      expect((await registry.find('server', 'main'))?.record).toMatchObject({
        laterField: { kept: 'server' },
      })
    })

    it('deletes by the one and gives back, or purges, by the other', async () => {
      await rollout.does(before, ['tenant', 'delete', 'made-now', '--yes', 'made-now'])
      await rollout.does(present, ['tenant', 'undelete', 'made-now'])
      await rollout.does(present, ['tenant', 'delete', 'made-now', '--yes', 'made-now'])
      await rollout.does(before, ['tenant', 'undelete', 'made-now'])
      for (const replica of both())
        await vi.waitFor(async () => expect(await owner(replica, 'made-now')).toBe('made-now'), heard)
      for (const [id, first, second] of [
        ['purged-1', before, present],
        ['purged-2', present, before],
      ] as const) {
        await rollout.create(first, id)
        await rollout.does(first, ['tenant', 'delete', id, '--yes', id])
        await rollout.does(second, ['tenant', 'purge', id, '--now', '--yes', id])
        for (const replica of both())
          await vi.waitFor(async () => expect(await owner(replica, id)).toBe('tenant_unknown'), heard)
      }
    })

    it('has one audit that is whole to both, and nothing that doctor finds', async () => {
      for (const version of [before, present]) {
        expect(await rollout.does(version, ['audit', 'verify'])).toMatchObject({ whole: true })
        expect(await rollout.findings(version)).toEqual([])
      }
    })

    it('is gone back with: the one before starts on it again and serves all', async () => {
      await young?.[Symbol.asyncDispose]()
      young = undefined
      await old[Symbol.asyncDispose]()
      old = await rollout.serve(before, operatorKey)
      for (const tenant of ['acme', 'globex', 'initech', 'made-before', 'made-now'])
        expect(await owner(old, tenant)).toBe(tenant)
      await changed(old, '/v1/tenants/made-now/rotate')
      expect(await owner(old, 'made-now')).toBe('made-now')
    })
  })
}

for (const backend of BACKENDS) describeTogether(backend)

describe('operations whose process of the version before was killed', () => {
  describeKilled(() => ({ begins: before, goesOn: present }))
})

describe('operations of this version that were killed, after going back', () => {
  describeKilled(() => ({ begins: present, goesOn: before }))
})

describe('what the version after this one takes away', () => {
  describeContract(() => ({ before, present }))
})
