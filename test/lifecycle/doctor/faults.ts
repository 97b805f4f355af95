import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { now } from '../../../src/lifecycle/parts.ts'
import { provisionTenant } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { registerTenant } from '../../../src/lifecycle/tenant/register-tenant.ts'
import { suspendTenant } from '../../../src/lifecycle/tenant/suspend-tenant.ts'
import type { Put } from '../../../src/registry/registry.ts'
import type { TenantRecord } from '../../../src/tenant/tenant-record.ts'
import { LifecycleGround, randomName } from '../ground.ts'
import { linesFor, overwrite, put, remove, serverAt } from './patient.ts'

const DAY_MS = 86_400_000
const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString()

type Route = TenantRecord['route']

export interface Fleet {
  readonly ground: LifecycleGround
  readonly acme: Route
  readonly globex: Route
  /** Suspended. */
  readonly hooli: Route
}

/** And what only some tests need. */
interface WholeFleet extends Fleet {
  /** Registered. */
  readonly initech: Route
  readonly umbrella: TenantRecord
}

/** Something that can be wrong: how it comes to be so and is put right, and what is said of it. */
interface Fault {
  readonly says: RegExp
  /** On the server, as superuser: made, and mended. */
  readonly sql?: (fleet: WholeFleet) => readonly [string, string]
  /** The same inside of a database. */
  readonly inside?: (fleet: WholeFleet) => readonly [database: string, made: string, mended: string]
  readonly make?: (fleet: WholeFleet) => Promise<void>
  readonly mend?: (fleet: WholeFleet) => Promise<void>
}

const limited = (what: string, before: number): [string, string] => [
  `${what} connection limit 2`,
  `${what} connection limit ${before}`,
]
const shut = (role: string): [string, string] => [`alter role ${role} login`, `alter role ${role} nologin`]
const renamed = (what: string, from: string, to: string): [string, string] => [
  `alter ${what} ${from} rename to ${to}`,
  `alter ${what} ${to} rename to ${from}`,
]
const entering = (database: string, role: string): [string, string] => [
  `grant connect on database ${database} to ${role}`,
  `revoke connect on database ${database} from ${role}`,
]

/** They do not hide each other: all are there at once. */
const FAULTS: readonly Fault[] = [
  {
    says: /^budgets error server main: budget and headroom are 10003 connections; ordinary roles get/,
    make: ({ ground }) =>
      overwrite(ground, 'server', 'main', (main) => ({
        ...main,
        budget: { maxConnections: 10_000, headroom: 3 },
      })),
    mend: ({ ground }) =>
      overwrite(ground, 'server', 'main', (main) => ({
        ...main,
        budget: { maxConnections: 20, headroom: 3 },
      })),
  },
  {
    says: /^budgets error server main: Its admin .* CONNECTION LIMIT of 2, less than/,
    sql: ({ ground }) => limited(`alter role ${ground.admin.role}`, -1),
  },
  {
    says: /^budgets warning tenant acme: Its role .* CONNECTION LIMIT of 2; the router may open 10/,
    sql: ({ acme }) => limited(`alter role ${acme.role}`, 40),
  },
  {
    says: /^budgets warning tenant globex: Its database has a CONNECTION LIMIT of 2/,
    sql: ({ globex }) => limited(`alter database ${globex.database}`, -1),
  },
  {
    says: /^doors error tenant acme: Its database t_\w+ grants CONNECT to PUBLIC/,
    sql: ({ acme }) => entering(acme.database, 'public'),
  },
  {
    says: /^doors error tenant globex: Its database t_\w+ lets in t_\w+_a, which nothing on record/,
    sql: ({ acme, globex }) => entering(globex.database, acme.role),
  },
  // By the fault before.
  { says: /^isolation error tenant acme: It counts as isolated, and is not: .* may connect to t_/ },
  {
    says: /^isolation error tenant globex: It counts as isolated, and is not: .* has CREATEDB/,
    sql: ({ globex }) => [`alter role ${globex.role} createdb`, `alter role ${globex.role} nocreatedb`],
  },
  {
    says: /^logins warning tenant acme: Login slot t_\w+_b is not in use, and may log in/,
    sql: ({ acme }) => shut(`${acme.database}_b`),
  },
  {
    says: /^logins error tenant globex: The owner of its database, t_\w+_owner, may log in/,
    sql: ({ globex }) => shut(`${globex.database}_owner`),
  },
  {
    says: /^logins error tenant hooli: It is suspended, and its role t_\w+_a may log in/,
    sql: ({ hooli }) => shut(hooli.role),
  },
  {
    says: /^identity error tenant acme: Its database is not the one on record: .*no stamp/,
    inside: ({ acme }) => [
      acme.database,
      'alter table tenantry.stamp rename to gone',
      'alter table tenantry.gone rename to stamp',
    ],
  },
  {
    says: /^identity error tenant hooli: Its route leads to what is not its database: .*of tenant globex/,
    inside: ({ hooli }) => [hooli.database, stampOf('globex'), stampOf('hooli')],
  },
  {
    says: /^drift error tenant initech: It is active, and its database .* is not on server main/,
    sql: ({ initech }) => renamed('database', initech.database, `${initech.database}_away`),
  },
  // By the fault before.
  { says: /^identity error tenant initech: Its login is refused/ },
  {
    says: /^drift error tenant globex: Of its roles, t_\w+_b is not on server main/,
    sql: ({ globex }) => renamed('role', `${globex.database}_b`, `${globex.database}_gone`),
  },
  {
    says: /^tls info server far: Connections to it use TLS mode require/,
    make: ({ ground }) => {
      const tls = { mode: 'require' as const, ca: null, serverName: null, clientCert: null }
      return put(ground, serverAt('far', 'db.example.test', 5432, { tls }))
    },
    mend: ({ ground }) => remove(ground, 'server', 'far'),
  },
  {
    says: /^keys warning keys: 1 API keys are older than 365 days: aaaaaaaaaaaa \(operator, old\)/,
    make: async ({ ground }) => {
      for (const made of KEYS) await put(ground, made)
    },
    mend: async ({ ground }) => {
      for (const { id } of KEYS) await remove(ground, 'key', id)
    },
  },
  { says: /^keys info keys: 1 API keys never expire: bbbbbbbbbbbb/ },
  { says: /^keys info keys: 1 API keys have expired: cccccccccccc/ },
  { says: /^keys info keys: 1 API keys were revoked more than 90 days ago: dddddddddddd/ },
  {
    says: /^statuses info tenant hooli: It is suspended for 41 days/,
    make: ({ ground }) =>
      overwrite(ground, 'tenant', 'hooli', (record) => ({ ...record, updatedAt: daysAgo(41) })),
    mend: ({ ground }) => overwrite(ground, 'tenant', 'hooli', (record) => ({ ...record, updatedAt: now() })),
  },
  {
    says: /^drift warning server main: Database t_\w+ is named by nothing on record; its stamp is of tenant "umbrella"/,
    make: ({ ground }) => remove(ground, 'tenant', 'umbrella'),
    mend: ({ ground, umbrella }) => put(ground, { kind: 'tenant', id: 'umbrella', record: umbrella }),
  },
]

const stampOf = (tenant: string) => `update tenantry.stamp set tenant_id = '${tenant}'`

const key = (id: string, name: string, change: object): Put => ({
  kind: 'key',
  id,
  record: {
    id,
    scope: { kind: 'operator', role: 'viewer' },
    secretHash: randomBytes(32).toString('base64url'),
    readOnly: false,
    name,
    createdAt: now(),
    expiresAt: null,
    revokedAt: null,
    ...change,
  },
})
const KEYS = [
  key('aaaaaaaaaaaa', 'old', { createdAt: daysAgo(400) }),
  key('bbbbbbbbbbbb', 'endless', {}),
  key('cccccccccccc', 'expired', { expiresAt: daysAgo(1) }),
  key('dddddddddddd', 'forgotten', { revokedAt: daysAgo(100) }),
  key('eeeeeeeeeeee', 'good', { expiresAt: new Date(Date.now() + DAY_MS).toISOString() }),
]

export async function fleetOn(ground: LifecycleGround): Promise<Fleet> {
  for (const id of ['acme', 'globex', 'hooli']) await provisionTenant(ground.parts, { id }, 'test')
  await suspendTenant(ground.parts, 'hooli', {}, 'test')
  const route = async (id: string) => (await ground.tenant(id)).route
  return { ground, acme: await route('acme'), globex: await route('globex'), hooli: await route('hooli') }
}

async function wholeFleetOn(ground: LifecycleGround): Promise<WholeFleet> {
  const fleet = await fleetOn(ground)
  await provisionTenant(ground.parts, { id: 'umbrella' }, 'test')
  const [role, name] = [randomName('app'), randomName('db')]
  const dsnOf = await ground.foreign(role, [name])
  await ground.server.execute(`revoke connect on database ${name} from public`)
  await registerTenant(ground.parts, { id: 'initech', route: { dsn: dsnOf(name) } }, 'test')
  return {
    ...fleet,
    initech: (await ground.tenant('initech')).route,
    umbrella: await ground.tenant('umbrella'),
  }
}

async function makeAll(fleet: WholeFleet): Promise<void> {
  await fleet.ground.server.execute(FAULTS.flatMap(({ sql }) => sql?.(fleet)[0] ?? []).join(';'))
  for (const { inside, make } of FAULTS) {
    const [database, made] = inside?.(fleet) ?? []
    if (database !== undefined && made !== undefined) await fleet.ground.server.execute(made, database)
    await make?.(fleet)
  }
}

async function mendAll(fleet: WholeFleet): Promise<void> {
  const undone = FAULTS.toReversed()
  await fleet.ground.server.execute(undone.flatMap(({ sql }) => sql?.(fleet)[1] ?? []).join(';'))
  for (const { inside, mend } of undone) {
    const [database, , mended] = inside?.(fleet) ?? []
    if (database !== undefined && mended !== undefined) await fleet.ground.server.execute(mended, database)
    await mend?.(fleet)
  }
}

export function describeFaults(version: 15 | 18): void {
  describe(`the doctor on Postgres ${version}`, () => {
    it('finds each fault, and no trace of it once it is mended', async () => {
      await using ground = await LifecycleGround.withServer(version)
      const fleet = await wholeFleetOn(ground)
      await makeAll(fleet)
      const found = await linesFor(ground.parts)
      await mendAll(fleet)
      const after = await linesFor(ground.parts)
      const told = (says: RegExp, lines: readonly string[]) => lines.filter((line) => says.test(line)).length
      for (const { says } of FAULTS)
        expect([says, told(says, found), told(says, after)]).toEqual([says, 1, 0])
    })
  })
}
