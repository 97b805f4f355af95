import { describe, expect, it } from 'vitest'
import { tenantOf } from '../../src/registry/record-schema.ts'
import type { Put } from '../../src/registry/registry.ts'
import { newAuditKey, trailOf, verdictOn } from './conformance-trail.ts'
import { newManagementDatabase } from './management-database.ts'
import { audit, change, create, expecting, server, tenant, tenantKey } from './records.ts'

type Database = Awaited<ReturnType<typeof newManagementDatabase>>

/** Commits as a process of version 1 of the schema does: by the function that it knows. */
async function commitOfVersion1(database: Database, revision: number, ...puts: Put[]): Promise<number[]> {
  const [row] = await database.query<{ revisions: string[] }>(
    'select tenantry_registry.commit_1($1::text::jsonb, $2::text::jsonb, $3::text::jsonb, $4::text::jsonb, $5::text::bigint) as revisions',
    [
      JSON.stringify(puts.map((put) => ({ ...put, tenant: tenantOf(put) ?? null }))),
      '[]',
      JSON.stringify(expecting(revision, ...puts)),
      JSON.stringify({ ...audit, actor: 'version 1' }),
      '10000',
    ],
  )
  return (row?.revisions ?? []).map(Number)
}

/** How a process of version 1 reads. */
const READ = 'select revision::text, record from tenantry_registry.entry where kind = $1 and id = $2'

describe('processes of the version before and of this one on one registry', () => {
  it('see each other’s changes, and lose no update of each other', async () => {
    await using database = await newManagementDatabase()
    await using registry = await database.open({ auditKey: newAuditKey() })
    await create(registry, tenant('acme'))
    const rounds = 10
    const old = async () => {
      for (let done = 0; done < rounds; ) {
        const [row] = await database.query<{ revision: string; record: { epoch: number } }>(READ, [
          'tenant',
          'acme',
        ])
        const next = tenant('acme', { epoch: (row?.record.epoch ?? 0) + 1 })
        const isFirst = await commitOfVersion1(database, Number(row?.revision), next).then(
          () => true,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'TR001' })
            return false
          },
        )
        if (isFirst) done += 1
      }
    }
    const young = async () => {
      for (let done = 0; done < rounds; ) {
        const present = await registry.find('tenant', 'acme')
        const next = tenant('acme', { epoch: (present?.record.epoch ?? 0) + 1 })
        const commit = registry.commit({ puts: [next], audit }, expecting(present?.revision ?? 0, next))
        const isFirst = await commit.then(
          () => true,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'revision_conflict' })
            return false
          },
        )
        if (isFirst) done += 1
      }
    }
    await Promise.all([old(), young(), young()])
    expect((await registry.find('tenant', 'acme'))?.record.epoch).toBe(1 + 3 * rounds)
  })

  it('write one audit: the chain goes on over what the version before leaves unsealed, and verifying names that', async () => {
    await using database = await newManagementDatabase()
    const auditKey = newAuditKey()
    await using registry = await database.open({ auditKey })
    await create(registry, tenant('acme'))
    await commitOfVersion1(database, 0, server('main'))
    await commitOfVersion1(database, 0, tenantKey('aaaaaaaaaaaa', 'acme'))
    await change(registry, tenant('acme', { epoch: 2 }))
    await change(registry, tenant('acme', { epoch: 3 }))
    const { entries } = await trailOf(registry, { order: 'oldest' })
    expect(entries.map((entry) => entry.audit?.seal?.link ?? null)).toEqual([1, null, null, 2, 3])
    expect(await verdictOn(registry, auditKey)).toMatchObject({
      whole: false,
      faults: 1,
      fault: { kind: 'unsealed', count: 2 },
    })
  })

  it('keep what the other knows alone: a field of a later version stays in a record that this one changes', async () => {
    await using database = await newManagementDatabase()
    await using registry = await database.open()
    const later = { ...tenant('acme').record, laterField: { kept: true } }
    await commitOfVersion1(database, 0, { kind: 'tenant', id: 'acme', record: later })
    const present = await registry.find('tenant', 'acme')
    if (present === undefined) throw new Error('no tenant acme')
    await change(registry, { kind: 'tenant', id: 'acme', record: { ...present.record, epoch: 2 } })
    const [row] = await database.query(READ, ['tenant', 'acme'])
    expect(row).toMatchObject({ record: { epoch: 2, laterField: { kept: true } } })
  })

  it('finds entries of the version before by their tenant, too', async () => {
    await using database = await newManagementDatabase()
    await using registry = await database.open({ auditKey: newAuditKey() })
    await database.query(
      `insert into tenantry_registry.audit (revision, actor, action, target, at, detail)
       values (1, 'version 1', 'tenant.suspend', 'acme', now(), '{}'), (2, 'version 1', 'server.add', 'acme', now(), '{}')`,
    )
    const { entries } = await trailOf(registry, { tenant: 'acme' })
    expect(entries.map((entry) => entry.audit?.action)).toEqual(['tenant.suspend'])
  })
})
