import { describe, expect, it } from 'vitest'
import { InternalError, InvalidRequestError, RevisionConflictError } from '../../src/errors.ts'
import type { Commit, Expectation, Registry } from '../../src/registry/registry.ts'
import {
  alias,
  audit,
  change,
  create,
  expecting,
  server,
  tenant,
  tenantKey,
  tenantRecord,
} from './records.ts'
import type { RegistryGround } from './registry-ground.ts'

export function describeCommits(backend: string, prepare: () => Promise<RegistryGround>): void {
  describe(`${backend} registry: commits`, () => {
    it('raise the revision with every change', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const revisions = [await change(registry, tenant('acme'))]
      for (let i = 2; i <= 5; i++) revisions.push(await change(registry, tenant('acme', { epoch: i })))
      expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b))
    })

    it('are refused when an expectation does not hold, whole', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const [revision = 0] = await create(registry, tenant('acme'))
      const gone = { removes: [{ kind: 'tenant', id: 'acme' }], audit } as const
      const cases: [Commit, Expectation[]][] = [
        [{ puts: [tenant('acme')], audit }, expecting(0, tenant('acme'))],
        [{ puts: [tenant('acme')], audit }, expecting(revision + 1, tenant('acme'))],
        [gone, expecting(revision + 1, tenant('acme'))],
        [{ puts: [tenant('globex')], audit }, expecting(7, tenant('globex'))],
        // The first part alone would be possible.
        [
          { ...gone, puts: [server('main'), alias('hostname', 'a.example', 'acme')] },
          [
            ...expecting(0, server('main'), alias('hostname', 'a.example', 'acme')),
            ...expecting(revision + 1, tenant('acme')),
          ],
        ],
        // Nothing of it is changed, but something is expected.
        [{ puts: [server('main')], audit }, expecting(0, server('main'), tenant('acme'))],
      ]
      for (const [commit, expectations] of cases) {
        await expect(registry.commit(commit, expectations)).rejects.toBeInstanceOf(RevisionConflictError)
      }
      expect((await registry.find('tenant', 'acme'))?.revision).toBe(revision)
      expect(await registry.find('server', 'main')).toBeUndefined()
      expect(await registry.find('alias', 'hostname:a.example')).toBeUndefined()
    })

    it('change all kinds at once', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const [old = 0] = await create(registry, tenant('acme'))
      const puts = [
        server('main'),
        alias('external', 'org_1', 'globex'),
        tenant('globex'),
        tenantKey('abcdefghijkl', 'globex'),
      ]
      const expectations = [...expecting(0, ...puts), ...expecting(old, tenant('acme'))]
      await registry.commit({ puts, removes: [{ kind: 'tenant', id: 'acme' }], audit }, expectations)
      expect(await registry.find('tenant', 'acme')).toBeUndefined()
      for (const { kind, id } of puts) expect(await registry.find(kind, id)).toBeDefined()
    })

    it('let one of two win who claim a name at the same time', async () => {
      await using ground = await prepare()
      await using one = await ground.open()
      await using other = await ground.open()
      for (const name of ['a.example', 'b.example', 'c.example']) {
        const claims = [
          create(one, alias('hostname', name, 'acme')),
          create(other, alias('hostname', name, 'globex')),
        ]
        const outcomes = await Promise.allSettled(claims)
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
        const [lost] = outcomes.filter((outcome) => outcome.status === 'rejected')
        expect(lost?.reason).toBeInstanceOf(RevisionConflictError)
      }
    })

    it('lose no update of many writers who each read, add one and write', async () => {
      await using ground = await prepare()
      await using one = await ground.open()
      await using other = await ground.open()
      await create(one, tenant('acme'))
      await Promise.all([one, other, one, other].map((registry) => addEpochs(registry, 3)))
      expect((await one.find('tenant', 'acme'))?.record.epoch).toBe(1 + 12)
    })

    it('refuse a malformed record, and a change without an expectation', async () => {
      await using ground = await prepare()
      await using registry = await ground.open()
      const malformed = { ...tenant('acme'), record: { ...tenantRecord('acme'), epoch: 0 } }
      await expect(create(registry, malformed)).rejects.toBeInstanceOf(InvalidRequestError)
      await expect(create(registry, { ...tenant('acme'), id: 'globex' })).rejects.toBeInstanceOf(
        InvalidRequestError,
      )
      await expect(registry.commit({ puts: [tenant('acme')], audit }, [])).rejects.toBeInstanceOf(
        InternalError,
      )
      expect(await registry.find('tenant', 'acme')).toBeUndefined()
    })
  })
}

async function addEpochs(registry: Registry, times: number): Promise<void> {
  for (let added = 0; added < times; ) {
    const present = await registry.find('tenant', 'acme')
    const record = tenantRecord('acme', { epoch: (present?.record.epoch ?? 0) + 1 })
    try {
      const put = { kind: 'tenant', id: 'acme', record } as const
      await registry.commit({ puts: [put], audit }, expecting(present?.revision ?? 0, put))
      added++
    } catch (error) {
      if (!(error instanceof RevisionConflictError)) throw error
    }
  }
}
