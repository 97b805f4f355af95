import { describe, expect, it } from 'vitest'
import { CancelledError } from '../../src/errors.ts'
import { AuditKey } from '../../src/registry/audit/audit-key.ts'
import {
  NO_HEAD,
  type TrailEntry,
  type TrailFilter,
  type TrailPage,
} from '../../src/registry/audit/audit-trail.ts'
import { TrailCheck, type TrailVerdict } from '../../src/registry/audit/trail-check.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import type { AuditEntry, Registry } from '../../src/registry/registry.ts'
import { alias, audit, change, create, expecting, remove, server, tenant, tenantKey } from './records.ts'
import type { RegistryGround } from './registry-ground.ts'

export const newAuditKey = () => new AuditKey(MasterKeys.fromText(generateMasterKey()))

/** Pages of `limit`, from the first to the last. */
export async function trailOf(
  registry: Pick<Registry, 'auditTrail'>,
  filter: TrailFilter = {},
): Promise<{ entries: TrailEntry[]; last: TrailPage }> {
  const entries: TrailEntry[] = []
  let last = await registry.auditTrail(undefined, filter)
  for (;;) {
    entries.push(...last.entries)
    if (last.next === undefined) return { entries, last }
    last = await registry.auditTrail(last.next, filter)
  }
}

export async function verdictOn(registry: Registry, key: AuditKey): Promise<TrailVerdict> {
  const { entries, last } = await trailOf(registry, { order: 'oldest', limit: 7 })
  const check = new TrailCheck(key, registry.id, NO_HEAD)
  for (const entry of entries) check.add(entry)
  return check.end(last.head)
}

const actionsOf = (entries: readonly TrailEntry[]) => entries.map((entry) => entry.audit?.action)
/** A commit that changes no record. */
const note = (registry: Registry, entry: Partial<AuditEntry>) =>
  registry.commit({ audit: { ...audit, ...entry } }, [])

export function describeTrail(backend: string, prepare: () => Promise<RegistryGround>): void {
  describe(`${backend} registry: the audit`, () => {
    it('gives back each entry as it was committed, with the revision that it led to', async () => {
      await using ground = await prepare()
      await using registry = await ground.open({ auditKey: newAuditKey() })
      const detail = {
        text: 'ä "quoted" \\ \n \u{1F600}',
        zero: -0,
        count: 1e21,
        part: 0.1,
        flag: true,
        none: null,
      }
      const entry = { actor: 'key:abc', action: 'tenant.test', target: 'acme', detail }
      const [revision] = await registry.commit(
        { puts: [tenant('acme')], audit: { ...audit, ...entry } },
        expecting(0, tenant('acme')),
      )
      const { entries } = await trailOf(registry)
      expect(entries.map((found) => found.audit)).toEqual([
        {
          ...audit,
          ...entry,
          detail: { ...detail, zero: 0 },
          tenant: 'acme',
          revision,
          seal: expect.objectContaining({ link: 1, previous: '' }),
        },
      ])
    })

    it('never fails a change for the sake of what a text holds', async () => {
      await using ground = await prepare()
      const key = newAuditKey()
      await using registry = await ground.open({ auditKey: key })
      await note(registry, { detail: { reason: 'a\0b\ud800c', endless: Number.POSITIVE_INFINITY } })
      const { entries } = await trailOf(registry)
      expect(entries[0]?.audit?.detail).toEqual({ reason: 'a\ufffdb\ufffdc', endless: null })
      expect(await verdictOn(registry, key)).toMatchObject({ whole: true, entries: 1 })
    })

    it('is there of commits that change nothing too, and of none that was refused', async () => {
      await using ground = await prepare()
      const key = newAuditKey()
      await using registry = await ground.open({ auditKey: key })
      await create(registry, tenant('acme'))
      await note(registry, { action: 'first' })
      await expect(create(registry, tenant('acme'))).rejects.toThrow(/expected revision 0/)
      await note(registry, { action: 'second' })
      await remove(registry, 'tenant', 'acme')
      const { entries } = await trailOf(registry, { order: 'oldest' })
      expect(actionsOf(entries)).toEqual(['change', 'first', 'second', 'change'])
      expect(await verdictOn(registry, key)).toMatchObject({ whole: true, entries: 4, sealed: 4 })
    })

    it('comes in pages, newest or oldest first, each entry once', async () => {
      await using ground = await prepare()
      await using registry = await ground.open({ auditKey: newAuditKey() })
      const written = Array.from({ length: 8 }, (_, index) => `step.${index}`)
      for (const action of written) await note(registry, { action })
      for (const limit of [1, 3, 8, 1_000]) {
        const newest = await trailOf(registry, { limit })
        expect(actionsOf(newest.entries)).toEqual(written.toReversed())
        const oldest = await trailOf(registry, { limit, order: 'oldest' })
        expect(actionsOf(oldest.entries)).toEqual(written)
      }
      const page = await registry.auditTrail(undefined, { order: 'oldest', limit: 5 })
      await note(registry, { action: 'later' })
      const after = await registry.auditTrail(page.next, { order: 'oldest' })
      expect(actionsOf(after.entries)).toEqual(['step.5', 'step.6', 'step.7', 'later'])
    })

    it('is found by tenant, action, actor and time, in full pages', async () => {
      await using ground = await prepare()
      await using registry = await ground.open({ auditKey: newAuditKey() })
      await note(registry, { action: 'tenant.suspend', target: 'acme', actor: 'key:a' })
      await note(registry, { action: 'tenant.suspend.again', target: 'globex' })
      await note(registry, { action: 'tenants', target: 'acme' })
      await note(registry, { action: 'call.refuse', target: 'x', tenant: 'acme' })
      await create(registry, tenantKey('aaaaaaaaaaaa', 'acme'), alias('hostname', 'a.example', 'acme'))
      await create(registry, tenantKey('bbbbbbbbbbbb', 'globex'), tenantKey('cccccccccccc', 'initech'))
      await note(registry, { action: 'late', at: '2027-01-01T00:00:00.000Z' })
      const found = async (filter: TrailFilter) =>
        actionsOf((await trailOf(registry, { ...filter, limit: 2 })).entries)
      expect(await found({ tenant: 'acme' })).toEqual(['change', 'call.refuse', 'tenant.suspend'])
      expect(await found({ action: 'tenant' })).toEqual(['tenant.suspend.again', 'tenant.suspend'])
      expect(await found({ action: 'tenant.suspend', tenant: 'globex' })).toEqual(['tenant.suspend.again'])
      expect(await found({ actor: 'key:a' })).toEqual(['tenant.suspend'])
      expect(await found({ since: '2026-06-01T00:00:00Z' })).toEqual(['late'])
      expect(await found({ tenant: 'nobody' })).toEqual([])
    })

    it('is one chain of many processes that write at once', async () => {
      await using ground = await prepare()
      const key = newAuditKey()
      await using one = await ground.open({ auditKey: key })
      await using other = await ground.open({ auditKey: key })
      const writers = Array.from({ length: 12 }, (_, index) =>
        create(index % 2 ? one : other, server(`s${index}`)),
      )
      await Promise.all(writers)
      await change(one, tenant('acme'))
      await change(other, tenant('acme', { epoch: 2 }))
      expect(await verdictOn(one, key)).toMatchObject({
        whole: true,
        entries: 14,
        sealed: 14,
        head: { link: 14 },
      })
    })

    it('goes on after entries that a process without the key left unsealed, and says that they are there', async () => {
      await using ground = await prepare()
      const key = newAuditKey()
      await using registry = await ground.open({ auditKey: key })
      await create(registry, tenant('acme'))
      await using without = await ground.open()
      await change(without, tenant('acme', { epoch: 2 }))
      await note(without, { action: 'quiet' })
      await change(registry, tenant('acme', { epoch: 3 }))
      const { entries } = await trailOf(registry, { order: 'oldest' })
      expect(entries.map((entry) => entry.audit?.seal?.link ?? null)).toEqual([1, null, null, 2])
      expect(await verdictOn(registry, key)).toMatchObject({
        whole: false,
        faults: 1,
        fault: { kind: 'unsealed', count: 2, position: entries[1]?.position, until: entries[2]?.position },
      })
    })

    it('begins empty, and heeds an abort', async () => {
      await using ground = await prepare()
      const key = newAuditKey()
      await using registry = await ground.open({ auditKey: key })
      expect(await registry.auditTrail()).toEqual({
        entries: [],
        next: undefined,
        head: { link: 0, mac: '' },
      })
      expect(await verdictOn(registry, key)).toMatchObject({ whole: true, entries: 0, head: null })
      const aborted = registry.auditTrail(undefined, {}, AbortSignal.abort())
      await expect(aborted).rejects.toBeInstanceOf(CancelledError)
    })
  })
}
