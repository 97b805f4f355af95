import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type ImportTenants,
  importTenants,
  startImport,
} from '../../../src/lifecycle/import/import-tenants.ts'
import { startUnregistering } from '../../../src/lifecycle/import/unregister-tenant.ts'
import { showOperation } from '../../../src/lifecycle/operation/list-operations.ts'
import { resumeOperation } from '../../../src/lifecycle/operation/resume-operation.ts'
import type { LifecycleParts } from '../../../src/lifecycle/parts.ts'
import { checkTenant } from '../../../src/lifecycle/tenant/check-tenant.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { dyingAt } from './dying-at.ts'
import { Fleet, type Member, tenantsOf } from './fleet.ts'

const outcomes = ({ rows }: { rows: readonly { tenant: string; outcome: string }[] }) =>
  rows.map(({ outcome }) => outcome)
const all = (outcome: string) => Array.from({ length: SIZE }, () => outcome)

const SIZE = 6
let fleet: Fleet
let parts: LifecycleParts
beforeAll(async () => {
  fleet = await Fleet.start(18, { size: SIZE, databases: SIZE })
})
beforeEach(async () => {
  parts = await fleet.parts()
})
afterAll(() => fleet[Symbol.asyncDispose]())

const csv = (columns = '', extra?: (member: Member) => string) => ({
  format: 'csv' as const,
  text: fleet.csv(columns, extra),
})
const run = (input: ImportTenants) => importTenants(parts, input, 'test')
const find = async (id: string) => (await parts.registry.find('tenant', id))?.record
const state = (operation: string | undefined) => showOperation(parts.registry, operation ?? '')

function member(index: number): Member {
  const one = fleet.members[index]
  if (one === undefined) throw new Error(`no member ${index}`)
  return one
}

async function findings(of: LifecycleParts): Promise<string> {
  const tenants = await tenantsOf(of)
  return JSON.stringify(tenants.map(({ id, isolation, limits }) => [id, isolation?.findings, limits]))
}

describe('an import', () => {
  it('keeps of each tenant what its row says, and its host names lead to it', async () => {
    const { database, role, dsn } = member(0)
    const row = {
      id: 'acme',
      dsn,
      hostnames: 'acme.example.com db.acme.test',
      labels: { region: 'eu' },
      'label.plan': 'pro',
      max_connections: 4,
      weight: '2.5',
      requests_per_second: 20,
      statement_timeout_ms: '9000',
    }
    expect(outcomes(await run({ format: 'jsonl', text: JSON.stringify(row) }))).toEqual(['imported'])
    expect(await find('acme')).toMatchObject({
      origin: 'registered',
      status: 'active',
      route: { database, role },
      identity: { kind: 'pin', databaseName: database, shared: false },
      isolation: { isolated: true },
      labels: { region: 'eu', plan: 'pro' },
      limits: { maxConnections: 4, weight: 2.5, requestsPerSecond: 20, statementTimeoutMs: 9000 },
    })
    for (const name of ['acme.example.com', 'db.acme.test'])
      expect((await parts.registry.findByAlias('hostname', name))?.id).toBe('acme')
    expect((await checkTenant(parts, 'acme', 'test')).isolation?.isolated).toBe(true)
  })

  it.each([true, false])(
    'finds of each role what registering one by one finds (closed: %s)',
    async (isClosed) => {
      const [one, two] = [member(1), member(2)]
      const odd = `alter role ${one.role} createdb connection limit 3; grant pg_monitor to ${two.role}; alter database ${two.database} owner to ${two.role};`
      const even = `alter role ${one.role} nocreatedb connection limit -1; revoke pg_monitor from ${two.role}; alter database ${two.database} owner to postgres; grant connect on database ${two.database} to ${two.role};`
      const everyone = (verb: string) =>
        isClosed
          ? ''
          : fleet.members.map(({ database }) => `${verb} public;`.replace('%d', database)).join('')
      const open = everyone('grant connect on database %d to')
      await fleet.whileTrue(odd + open, even + everyone('revoke connect on database %d from'), async () => {
        const single = await fleet.parts()
        const { rows, nowNotIsolated } = await run(csv())
        expect([rows[0]?.findings.length, nowNotIsolated]).toEqual([isClosed ? 0 : 1, []])
        for (const { id, dsn } of fleet.members) await registerTenant(single, { id, route: { dsn } }, 'test')
        // As each is seen once all are there: the first of a list is imported alone, too.
        for (const { id } of fleet.members) await checkTenant(single, id, 'test')
        await checkTenant(parts, 't-0000', 'test')
        expect(await findings(parts)).toBe(await findings(single))
        expect((await find(one.id))?.limits.maxConnections).toBe(3)
        expect(await findings(parts)).toContain(isClosed ? '["t-0005",[],' : 'and 2 more, of other tenants')
      })
    },
  )

  it('tells those before that are isolated no more', async () => {
    const [first, second] = [member(0), member(1)]
    await registerTenant(parts, { id: 'first', route: { dsn: first.dsn } }, 'test')
    expect((await find('first'))?.isolation?.isolated).toBe(true)
    const right = `connect on database ${second.database}`
    await fleet.whileTrue(
      `grant ${right} to ${first.role}`,
      `revoke ${right} from ${first.role}`,
      async () => {
        const text = fleet.members
          .slice(1)
          .map(({ id, dsn }) => JSON.stringify({ id, dsn }))
          .join('\n')
        expect((await run({ format: 'jsonl', text })).nowNotIsolated).toEqual(['first'])
      },
    )
    expect((await find('first'))?.isolation?.findings).toEqual([
      `role ${first.role} may connect to the database of ${second.id}`,
    ])
  })

  it('goes on past rows that are refused, and tells which and why', async () => {
    const [locked, taken] = [member(1), member(2)]
    await registerTenant(parts, { id: 'squatter', route: { dsn: taken.dsn } }, 'test')
    const operation = await fleet.whileTrue(
      `alter role ${locked.role} nologin`,
      `alter role ${locked.role} login`,
      async () => {
        const { operation, result } = await startImport(parts, csv(), 'test')
        const imported = await result
        expect(outcomes(imported)).toEqual([
          'imported',
          'refused',
          'refused',
          'imported',
          'imported',
          'imported',
        ])
        expect(imported.rows[1]?.refusal).toMatch(new RegExp(locked.role))
        expect(imported.rows[2]?.refusal).toMatch(/squatter lives in that database/)
        expect(JSON.stringify(imported)).not.toContain(fleet.password)
        return operation
      },
    )
    expect(await state(operation?.id)).toMatchObject({
      state: 'failed',
      error: expect.stringMatching(/^2 of 6 rows were refused\. line 3, t-0001/),
      progress: { done: 4, total: 6 },
    })
    expect(outcomes(await run(csv()))).toEqual(['there', 'imported', 'refused', 'there', 'there', 'there'])
    // The same operation, gone on with: none is left behind with its list.
    const { entries } = await parts.registry.list('operation')
    expect(entries.map(({ id }) => id)).toEqual([operation?.id])
  })

  it('tries no further row of a server that does not answer', async () => {
    const nowhere = ['a', 'b', 'c'].map((id) => `${id},postgres://${id}:pw@127.0.0.1:1/${id}`)
    const text = ['id,dsn', `one,${member(0).dsn}`, ...nowhere].join('\n')
    const { rows } = await run({ format: 'csv', text })
    expect(outcomes({ rows })).toEqual(['imported', 'refused', 'refused', 'refused'])
    expect(rows.map(({ refusal }) => /not tried any more/.test(refusal ?? ''))).toEqual([
      false,
      false,
      true,
      true,
    ])
  })

  it('that probes first imports none where one is refused', async () => {
    const { role } = member(1)
    await fleet.whileTrue(`alter role ${role} nologin`, `alter role ${role} login`, async () => {
      const { rows } = await run({ ...csv(), probe: true })
      expect(outcomes({ rows })).toEqual(all('refused'))
      expect(rows.filter(({ refusal }) => !refusal?.startsWith('not begun')).map(({ line }) => line)).toEqual(
        [3],
      )
      expect(await tenantsOf(parts)).toEqual([])
    })
    expect(outcomes(await run({ ...csv(), probe: true }))).toEqual(all('imported'))
  })

  it('has no more connections to a server than it was allowed', async () => {
    const watcher = await fleet.ground.server.connect()
    const databases = fleet.members.map(({ database }) => database)
    let most = 0
    let isOver = false
    const watch = async () => {
      while (!isOver) {
        const { rows } = await watcher.query<{ count: number }>(
          'select count(*)::int as count from pg_stat_activity where datname = any($1)',
          [databases],
        )
        most = Math.max(most, rows[0]?.count ?? 0)
      }
    }
    const watching = watch()
    await run({ ...csv(), concurrency: 1 })
    isOver = true
    await watching
    await watcher.end()
    // One that we have left is counted until its backend is gone.
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(2)
  })
})

describe('an import whose process is killed', () => {
  it.each([
    [1, 0],
    [2, 1],
  ])('at its commit %i is gone on with by the same list, each tenant once', async (batch, kept) => {
    const input = csv('hostnames', ({ id }) => `${id}.example.com`)
    await expect(importTenants(dyingAt(parts, batch), input, 'test')).rejects.toThrow('the process is gone')
    expect(await tenantsOf(parts)).toHaveLength(kept)
    const { rows } = await run(input)
    expect(rows.filter(({ outcome }) => outcome === 'there')).toHaveLength(kept)
    expect((await tenantsOf(parts)).map(({ id }) => id)).toEqual(fleet.members.map(({ id }) => id))
  })

  it('is gone on with by its operation, which keeps no list once it is done', async () => {
    const { operation, result } = await startImport(dyingAt(parts, 2), csv(), 'test')
    await expect(result).rejects.toThrow('the process is gone')
    const kept = await parts.registry.find('operation', operation?.id ?? '')
    expect(JSON.stringify(kept)).not.toContain(fleet.password)
    expect(kept?.record.data['list']).not.toBeNull()
    await vi.waitFor(async () => expect(await state(operation?.id)).toMatchObject({ state: 'abandoned' }))
    await (await resumeOperation(parts, operation?.id ?? '', 'test')).result
    const done = await parts.registry.find('operation', operation?.id ?? '')
    expect(done?.record).toMatchObject({
      state: 'done',
      progress: { done: 6, total: 6 },
      data: { list: null },
    })
    expect(await tenantsOf(parts)).toHaveLength(SIZE)
  })

  it('says so where its list was too long to be kept, and is over', async () => {
    const input = { ...csv(), text: csv().text + '\n'.repeat(100_001) }
    const { operation, result } = await startImport(dyingAt(parts, 2), input, 'test')
    await expect(result).rejects.toThrow('the process is gone')
    await vi.waitFor(async () => expect(await state(operation?.id)).toMatchObject({ state: 'abandoned' }))
    await expect(resumeOperation(parts, operation?.id ?? '', 'test')).rejects.toThrow(/import it again/)
    expect(await state(operation?.id)).toMatchObject({ state: 'failed' })
    expect(outcomes(await run(input)).filter((outcome) => outcome === 'there')).toHaveLength(1)
  })
})

describe('a dry run', () => {
  it('tells what would happen and keeps nothing; with a probe it connects to each', async () => {
    const { role } = member(1)
    await fleet.whileTrue(`alter role ${role} nologin`, `alter role ${role} login`, async () => {
      expect(outcomes(await run({ ...csv(), dryRun: true }))).toEqual(all('new'))
      const probed = await run({ ...csv(), dryRun: true, probe: true })
      expect(outcomes(probed)).toEqual(['new', 'refused', 'new', 'new', 'new', 'new'])
    })
    for (const kind of ['tenant', 'server', 'operation', 'alias'] as const)
      expect((await parts.registry.list(kind)).entries).toEqual([])
  })
})

describe('unregistering', () => {
  it('takes an import back: names are free, and the databases as they were', async () => {
    const input = csv('hostnames', ({ id }) => `${id}.example.com`)
    await run(input)
    const before = (await find('t-0000'))?.generation ?? 0
    for (const { id } of fleet.members) {
      const { result } = await startUnregistering(parts, id, { confirm: id }, 'test')
      expect((await result).receipt).toContainEqual(
        expect.objectContaining({ what: 'database', outcome: 'left' }),
      )
    }
    expect(await tenantsOf(parts)).toEqual([])
    expect((await parts.registry.list('alias')).entries).toEqual([])
    expect(outcomes(await run(input))).toEqual(all('imported'))
    expect((await find('t-0000'))?.generation).toBeGreaterThan(before)
  })

  it('is refused without the name once more', async () => {
    await run(csv())
    const unsaid = startUnregistering(parts, 't-0000', {}, 'test')
    await expect(unsaid).rejects.toMatchObject({ code: 'invalid_request' })
    expect((await find('t-0000'))?.status).toBe('active')
  })
})
