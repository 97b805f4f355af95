import { describe, expect, it } from 'vitest'
import { budgets } from '../../../src/lifecycle/doctor/checks/budgets.ts'
import { doors } from '../../../src/lifecycle/doctor/checks/doors.ts'
import { drift } from '../../../src/lifecycle/doctor/checks/drift.ts'
import { isolation } from '../../../src/lifecycle/doctor/checks/isolation.ts'
import { logins } from '../../../src/lifecycle/doctor/checks/logins.ts'
import { operations } from '../../../src/lifecycle/doctor/checks/operations.ts'
import { statuses } from '../../../src/lifecycle/doctor/checks/statuses.ts'
import { verifiers } from '../../../src/lifecycle/doctor/checks/verifiers.ts'
import type { Found } from '../../../src/lifecycle/doctor/finding.ts'
import type { ServerCheck, ServerLook } from '../../../src/lifecycle/doctor/server-look.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import type { OperationRecord } from '../../../src/registry/operation-record.ts'
import type { Entry, Kind, Registry } from '../../../src/registry/registry.ts'
import { parseTenantId } from '../../../src/tenant/tenant-id.ts'
import type { TenantRecord } from '../../../src/tenant/tenant-record.ts'
import { LifecycleGround } from '../ground.ts'
import { linesFor, lookOf } from './patient.ts'

const textOf = (found: Iterable<Found>) =>
  [...found].map(({ severity, subject, what }) => `${severity} ${subject}: ${what}`).join('\n')
const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString()

/** A look in which the one tenant's record is another. */
const withTenant = (look: ServerLook, change: Partial<TenantRecord>): ServerLook => ({
  ...look,
  tenants: look.tenants.map((entry) => ({ ...entry, record: { ...entry.record, ...change } })),
})

/** What a check says of a server that looks so. */
const said = async (check: ServerCheck, look: ServerLook) => textOf(await check.run(look))

describe('the checks', () => {
  it('find in what was read of a server what is hard to bring about on one', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    await lookOf(ground, async (look) => {
      const [acme] = look.tenants
      if (!acme) throw new Error('no tenant')
      const { role, database } = acme.record.route
      const roles = (change: object) =>
        new Map(
          [...look.catalog.roles].map(([name, seen]) => [
            name,
            name === role ? { ...seen, ...change } : seen,
          ]),
        )
      const withRole = (change: object) => ({ ...look, catalog: { ...look.catalog, roles: roles(change) } })

      expect(await said(budgets, look)).toBe('')
      expect(await said(budgets, withRole({ connectionLimit: -1 }))).toMatch(
        /^info tenant acme: .* no CONNECTION LIMIT/,
      )
      const main = look.fleet.servers[0]
      if (!main) throw new Error('no server')
      const twice = {
        ...look.fleet,
        servers: [main, { ...main, id: 'again', record: { ...main.record, id: 'again' } }],
      }
      expect(await said(budgets, { ...look, fleet: twice })).toMatch(
        /^error server main: budgets and headrooms of main, again are 276 connections; ordinary roles get 197/,
      )

      expect(await said(logins, withRole({ canLogin: false }))).toMatch(
        /^error tenant acme: It is active, and its role/,
      )
      expect(await said(logins, withTenant(look, { operation: ID }))).toBe('')
      expect(await said(logins, withTenant(look, { status: 'deleted' }))).toMatch(
        /^error tenant acme: It is deleted/,
      )

      expect(await said(isolation, withTenant(look, { isolation: null }))).toMatch(
        /^warning tenant acme: Nobody has/,
      )
      const of = (isolated: boolean, days: number) =>
        withTenant(look, {
          isolation: { isolated, findings: isolated ? [] : ['why'], checkedAt: daysAgo(days) },
        })
      expect(await said(isolation, of(true, 31))).toMatch(/^info tenant acme: .* last looked at 31 days ago/)
      expect(await said(isolation, of(true, 29))).toBe('')
      expect(await said(isolation, of(false, 1))).toMatch(/not isolated: why; nothing of that is so any more/)
      const twin = { ...acme, id: 'twin' }
      expect(await said(isolation, { ...look, tenants: [acme, twin] })).toMatch(
        /^error tenant acme: It counts as isolated, and is not: .* by twin too/,
      )

      const without = new Map([...look.catalog.databases].filter(([name]) => name !== database))
      const away = { ...look, catalog: { ...look.catalog, databases: without } }
      expect(await said(drift, away)).toMatch(/^error tenant acme: It is active, and its database/)
      expect(await said(drift, { ...away, tenants: [] })).toBe('')
      const left = { ...look, tenants: [], fleet: { ...look.fleet, databases: new Set<string>() } }
      // On record it is: what was not when the fleet was read is asked for again.
      expect(await said(drift, left)).toBe('')

      const seen = look.catalog.databases.get(database)
      if (!seen) throw new Error('no database')
      const grants = new Map([...seen.grants, ['CONNECT', new Set(['somebody'])]])
      const odd = new Map([...look.catalog.databases, [database, { ...seen, grants }]])
      expect(await said(doors, { ...look, catalog: { ...look.catalog, databases: odd } })).toMatch(
        /error tenant acme: .* lets in somebody, .*\nerror tenant acme: .* does not let its role/,
      )

      const md5 = { ...look, facts: { ...look.facts, passwordEncryption: 'md5' } }
      expect(await said(verifiers, md5)).toMatch(/^warning server main: Its password_encryption is md5/)
    })
  })

  it('say nothing of a tenant that was changed while it was looked at', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    const { database } = await ground.tenant('acme').then(({ route }) => route)
    await ground.server.execute(`alter role ${database}_b login`)
    const found = async (registry: Registry) => (await linesFor({ ...ground.parts, registry })).join('\n')
    expect(await found(ground.registry)).toMatch(/^logins warning tenant acme/m)
    const late = new Proxy(ground.registry, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name)
        if (name === 'find') return (kind: Kind, id: string) => target.find(kind, id).then(changed)
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    expect(await found(late)).not.toContain('tenant acme')
  })

  it('tell operations that failed from those that were overtaken, and tenants that nothing goes on with', async () => {
    await using ground = await LifecycleGround.withServer(18)
    await provisionTenant(ground.parts, { id: 'acme' }, 'test')
    await lookOf(ground, async ({ fleet, parts, tenants }) => {
      const [acme] = tenants
      if (!acme) throw new Error('no tenant')
      const having = (change: Partial<TenantRecord>) => ({
        ...fleet,
        tenants: new Map([['main', [{ ...acme, record: { ...acme.record, ...change } }]]]),
      })
      const failed = {
        ...having({ operation: ID }),
        operations: [operation({ state: 'failed', error: 'no room' })],
      }
      expect(textOf(await operations.run(parts, failed))).toMatch(
        /^warning tenant acme: .* \(rotate\) failed .*no room/,
      )
      const overtaken = { ...having({ operation: null }), operations: failed.operations }
      expect(textOf(await operations.run(parts, overtaken))).toMatch(/^info tenant acme/)
      const holder = { process: ID, until: new Date(Date.now() + 60_000).toISOString() }
      const held = { ...failed, operations: [operation({ state: 'running', holder })] }
      expect(textOf(await operations.run(parts, held))).toBe('')

      const status = async (change: Partial<TenantRecord>) =>
        textOf(await statuses.run(parts, having(change)))
      expect(await status({ status: 'failed', operation: null })).toMatch(
        /^warning tenant acme: It is failed, and no/,
      )
      expect(await status({ status: 'failed', operation: ID })).toBe('')
      const deletion = (days: number) => ({
        at: daysAgo(40),
        purgeAfter: daysAgo(days),
        status: 'active' as const,
        statusReason: null,
        operation: null,
        logins: [],
      })
      expect(await status({ status: 'deleted', deletion: deletion(10) })).toMatch(
        /its grace is over for 10 days/,
      )
      expect(await status({ status: 'deleted', deletion: deletion(-1) })).toBe('')
      expect(await status({ status: 'suspended', updatedAt: daysAgo(29) })).toBe('')
    })
  })
})

const changed = <E extends Entry>(entry: E | undefined) => entry && { ...entry, revision: entry.revision + 1 }

const ID = '5f0c2f0e-5b0a-4d8e-9a35-0d5c3a1f7a11'

function operation(change: Partial<OperationRecord>): Entry<'operation'> {
  const at = new Date().toISOString()
  const record: OperationRecord = {
    id: ID,
    kind: 'rotate',
    tenant: parseTenantId('acme'),
    from: null,
    to: null,
    stepsDone: [],
    progress: null,
    data: {},
    state: 'running',
    error: null,
    actor: 'test',
    holder: null,
    startedAt: at,
    updatedAt: at,
    ...change,
  }
  return { kind: 'operation', id: ID, revision: 1, record }
}
