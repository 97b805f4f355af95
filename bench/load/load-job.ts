import { z } from 'zod'

const Tenant = z.strictObject({
  id: z.string(),
  key: z.string(),
  /** The database that must answer for it. */
  database: z.string(),
})

const Group = z.strictObject({
  name: z.string(),
  tenants: z.array(Tenant).min(1),
  /** Exponent of the Zipf distribution over the tenants in their order, 0 is uniform; or one after the other. */
  pick: z.union([z.number().min(0), z.literal('cycle')]),
  /** Requests under way at once: each worker sends its next when it has its answer, */
  workers: z.int().min(1),
  /** and after a pause of so long on average (exponential). */
  thinkMs: z.number().min(0).default(0),
  ask: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('rows'), rows: z.int().min(1) }),
    z.strictObject({ kind: z.literal('sleep'), ms: z.number() }),
  ]),
})
export type Group = z.output<typeof Group>

/** What the load generator is told. Groups run at the same time and are counted apart. */
export const LoadJob = z.strictObject({
  url: z.string(),
  groups: z.array(Group).min(1),
  warmupSeconds: z.number(),
  seconds: z.number(),
  seed: z.int(),
  timeoutMs: z.number().default(10_000),
  /** Superuser login, to count sessions and logins. */
  adminDsn: z.string(),
  /** Whose processor time is counted. */
  pids: z.strictObject({ contestant: z.array(z.int()), postgres: z.int(), delay: z.array(z.int()) }),
})
export type LoadJob = z.output<typeof LoadJob>

export const GroupReport = z.object({
  name: z.string(),
  answers: z.number(),
  requestsPerSecond: z.number(),
  p50: z.number(),
  p99: z.number(),
  max: z.number(),
  errors: z.record(z.string(), z.number()),
  wrong: z.number(),
  /** How often each tenant was asked, in their order. */
  asked: z.array(z.number()),
})
export type GroupReport = z.output<typeof GroupReport>

export const LoadReport = z.object({
  seconds: z.number(),
  groups: z.array(GroupReport),
  logins: z.number(),
  /** The most that any sample of `pg_stat_activity` showed in the tenants' databases. */
  maxConnections: z.number(),
  /** Milliseconds of processor time. */
  cpuMs: z.object({ contestant: z.number(), postgres: z.number(), delay: z.number() }),
})
export type LoadReport = z.output<typeof LoadReport>
