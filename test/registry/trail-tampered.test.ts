import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, rmdir, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type VerifyTrail, verifyTrail } from '../../src/lifecycle/audit/verify-trail.ts'
import { FileRegistry } from '../../src/registry/file/file-registry.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { Sealer } from '../../src/registry/sealing.ts'
import { newAuditKey, trailOf, verdictOn } from './conformance-trail.ts'
import { newManagementDatabase } from './management-database.ts'
import { audit, change, create, tenant } from './records.ts'

/** Reading the audit seals and opens nothing. */
const PARTS = { sealer: new Sealer(MasterKeys.fromText(generateMasterKey())), adminSealer: undefined }

async function writeFive(registry: Registry): Promise<void> {
  for (let epoch = 1; epoch <= 5; epoch += 1) await change(registry, tenant('acme', { epoch }))
}

/** What the owner of the management database may do to its audit, and how that reads. */
const BY_HAND: readonly (readonly [statement: string, kind: string])[] = [
  ['delete from tenantry_registry.audit where link = 3', 'removed'],
  ['delete from tenantry_registry.audit where link = 5', 'cut'],
  ["update tenantry_registry.audit set actor = 'somebody' where link = 2", 'changed'],
  ["update tenantry_registry.audit set at = at + interval '1 microsecond' where link = 2", 'changed'],
  ['update tenantry_registry.audit set revision = 99 where link = 2', 'changed'],
  ['update tenantry_registry.audit set tenant = null where link = 2', 'changed'],
  [`update tenantry_registry.audit set detail = '{"x":1}' where link = 2`, 'changed'],
  [
    'update tenantry_registry.audit set kid = null, link = null, previous = null, mac = null where link = 2',
    'unsealed',
  ],
  ['update tenantry_registry.audit set mac = null where link = 2', 'unreadable'],
  [
    `insert into tenantry_registry.audit (revision, actor, action, target, at, detail)
      values (9, 'a', 'b', 'c', now(), '{}')`,
    'unsealed',
  ],
  [
    `insert into tenantry_registry.audit (revision, actor, action, target, tenant, at, detail, kid, link, previous, mac)
      select revision, actor, action, target, tenant, at, detail, kid, link, previous, mac
      from tenantry_registry.audit where link = 2`,
    'moved',
  ],
]

describe('a registry in Postgres whose owner writes into the audit by hand', () => {
  it('is found out, whatever he does, and for ever', async () => {
    await using database = await newManagementDatabase()
    const auditKey = newAuditKey()
    await using registry = await database.open({ auditKey })
    await writeFive(registry)
    await database.query('create table tenantry_registry.kept as table tenantry_registry.audit')
    await database.query('alter table tenantry_registry.audit disable trigger audit_only_grows')
    for (const [statement, kind] of BY_HAND) {
      await database.query(statement)
      expect([statement, (await verdictOn(registry, auditKey)).fault?.kind]).toEqual([statement, kind])
      await database.query('truncate tenantry_registry.audit')
      await database.query(
        'insert into tenantry_registry.audit overriding system value select * from tenantry_registry.kept',
      )
      expect((await verdictOn(registry, auditKey)).whole).toBe(true)
    }
    await database.query('delete from tenantry_registry.audit where link = 5')
    await change(registry, tenant('acme', { epoch: 9 }))
    expect((await verdictOn(registry, auditKey)).fault).toMatchObject({ kind: 'removed', link: 5 })
  })
})

describe('a registry in Postgres whose owner took archived entries out as the manual says', () => {
  it('goes on, and what is left is proved from the last of those, whatever is missing beside', async () => {
    await using database = await newManagementDatabase()
    const auditKey = newAuditKey()
    await using registry = await database.open({ auditKey })
    await writeFive(registry)
    const [last] = await database.query<{ seq: string; link: string; mac: string }>(
      'select seq, link, mac from tenantry_registry.audit where link = 3',
    )
    const manual = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
    const removal = /```sql\n( *BEGIN;\n *ALTER TABLE tenantry_registry\.audit[^`]*)```/.exec(manual)?.[1]
    await database.query((removal ?? '').replace('100000', last?.seq ?? ''))
    await change(registry, tenant('acme', { epoch: 9 }))
    const after = `${last?.link}:${last?.mac}`
    const verify = async (wanted: VerifyTrail) => {
      const { whole, entries, fault } = await verifyTrail({ ...PARTS, registry, auditKey }, wanted)
      return [whole, entries, fault?.kind]
    }
    expect(await verify({ after })).toEqual([true, 3, undefined])
    expect(await verify({})).toEqual([false, 3, 'removed'])
    await expect(database.query('delete from tenantry_registry.audit')).rejects.toThrow(/only grows/)
    await database.query('alter table tenantry_registry.audit disable trigger audit_only_grows')
    await database.query('delete from tenantry_registry.audit where link = 4')
    expect(await verify({ after })).toEqual([false, 2, 'removed'])
  })
})

describe('the audit beside a registry file', () => {
  async function ground() {
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-trail-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'registry.yaml')
    const auditKey = newAuditKey()
    return { path, trail: `${path}.audit.jsonl`, auditKey, open: () => FileRegistry.open(path, { auditKey }) }
  }
  const linesOf = async (path: string) => (await readFile(path, 'utf8')).split('\n').slice(0, -1)

  it.each([
    ['a line is taken out', (lines: string[]) => lines.toSpliced(2, 1), 'removed'],
    ['the last line is taken out', (lines: string[]) => lines.slice(0, -1), 'cut'],
    ['two lines change places', ([a = '', b = '', ...rest]: string[]) => [b, a, ...rest], 'removed'],
    [
      'a word is changed',
      (lines: string[]) => lines.map((line, i) => (i === 1 ? line.replace('test', 'toast') : line)),
      'changed',
    ],
    [
      'a line is spoilt',
      (lines: string[]) => lines.map((line, i) => (i === 1 ? line.slice(1) : line)),
      'unreadable',
    ],
  ])('is found out where %s', async (_, tamper, kind) => {
    const { trail, auditKey, open } = await ground()
    await using registry = await open()
    await writeFive(registry)
    await writeFile(trail, `${tamper(await linesOf(trail)).join('\n')}\n`)
    expect((await verdictOn(registry, auditKey)).fault?.kind).toBe(kind)
    await using another = await open()
    await change(another, tenant('acme', { epoch: 9 }))
    expect((await verdictOn(registry, auditKey)).whole).toBe(false)
  })

  it('is whole after a process ended in the middle of a line, which nobody had acted on yet', async () => {
    const { trail, auditKey, open } = await ground()
    {
      await using registry = await open()
      await writeFive(registry)
    }
    await writeFile(trail, '{"revision":6,"actor":"te', { flag: 'a' })
    await using registry = await open()
    expect(await verdictOn(registry, auditKey)).toMatchObject({ whole: true, entries: 5 })
    await change(registry, tenant('acme', { epoch: 6 }))
    expect(await verdictOn(registry, auditKey)).toMatchObject({ whole: true, entries: 6 })
  })

  it('is whole without its head, or with an older one, as after a crash of the machine', async () => {
    const { path, auditKey, open } = await ground()
    await using registry = await open()
    await writeFive(registry)
    await truncate(`${path}.audit.head`)
    await using another = await open()
    await change(another, tenant('acme', { epoch: 6 }))
    expect(await verdictOn(another, auditKey)).toMatchObject({ whole: true, sealed: 6 })
  })

  it('says of a change that its process did not live to write that it was not done', async () => {
    const { path, open } = await ground()
    const before = await (async () => {
      await using registry = await open()
      await create(registry, tenant('acme'))
      return readFile(path, 'utf8')
    })()
    {
      await using registry = await open()
      await change(registry, tenant('acme', { status: 'suspended' }))
    }
    // As it is where a process ends between the line and the change.
    await writeFile(path, before)
    await using registry = await open()
    await registry.commit({ audit: { ...audit, action: 'next' } }, [])
    const { entries } = await trailOf(registry, { order: 'oldest' })
    expect(entries.map((entry) => entry.audit?.action)).toEqual([
      'change',
      'change',
      'registry.undone',
      'next',
    ])
    expect(entries[2]?.audit).toMatchObject({ tenant: 'acme', detail: { action: 'change', revision: 2 } })
  })

  it('says of a change that could not be written that it was not done', async () => {
    const { path, auditKey, open } = await ground()
    await using registry = await open()
    await create(registry, tenant('acme'))
    // In the place of the copy that is written before it is moved.
    await mkdir(`${path}.new`)
    await expect(change(registry, tenant('acme', { epoch: 2 }))).rejects.toThrow(/cannot use/)
    await rmdir(`${path}.new`)
    const { entries } = await trailOf(registry, { order: 'oldest' })
    expect(entries.map((entry) => entry.audit?.action)).toEqual(['change', 'change', 'registry.undone'])
    expect(await verdictOn(registry, auditKey)).toMatchObject({ whole: true })
  })

  it('is read in pages that begin and end anywhere in a long file', async () => {
    const { trail, open } = await ground()
    await using registry = await open()
    const line = (index: number) =>
      JSON.stringify({
        ...audit,
        revision: index,
        tenant: null,
        seal: null,
        detail: { text: 'x'.repeat((index * 7_919) % 90_000) },
      })
    await writeFile(trail, `${Array.from({ length: 40 }, (_, index) => line(index)).join('\n')}\n`)
    for (const order of ['oldest', 'newest'] as const) {
      const { entries } = await trailOf(registry, { order, limit: 3 })
      const revisions = entries.map((entry) => entry.audit?.revision)
      const expected = Array.from({ length: 40 }, (_, index) => index)
      expect(revisions).toEqual(order === 'oldest' ? expected : expected.toReversed())
    }
  })
})
