import { z } from 'zod'

export const InProcessJob = z.strictObject({
  client: z.enum(['tenantry-sql', 'tenantry-lease', 'postgresjs', 'pg-pool']),
  tenants: z.array(z.strictObject({ id: z.string(), dsn: z.string(), database: z.string() })).min(1),
  /** Of our own router; peers have the DSNs. */
  registry: z.strictObject({ url: z.string(), masterKey: z.string() }).optional(),
  maxConnections: z.int(),
  maxConnectionsPerTenant: z.int(),
  /** Openings under way at once, to a server; default: the router's. */
  maxOpeningPerServer: z.int().optional(),
  workload: z.discriminatedUnion('kind', [
    /** A closed loop: each worker over all tenants alike, the first most (Zipf 1.0), or each with one of its own. */
    z.strictObject({
      kind: z.literal('rows'),
      rows: z.int(),
      workers: z.int(),
      pick: z.enum(['any', 'zipf', 'own']),
    }),
    z.strictObject({ kind: z.literal('sleep'), ms: z.number(), workers: z.int() }),
    /** One after the other, each to a tenant of which nothing is open. */
    z.strictObject({ kind: z.literal('cold'), repeats: z.int(), rows: z.int() }),
  ]),
  warmupSeconds: z.number(),
  seconds: z.number(),
  seed: z.int(),
  postgresPid: z.int(),
})
export type InProcessJob = z.output<typeof InProcessJob>

export const InProcessReport = z.object({
  answers: z.number(),
  requestsPerSecond: z.number(),
  p50: z.number(),
  p99: z.number(),
  max: z.number(),
  /** The most that were seen open. */
  maxConnections: z.number(),
  cpuMs: z.number(),
  postgresCpuMs: z.number(),
  errors: z.number(),
  wrong: z.number(),
})
export type InProcessReport = z.output<typeof InProcessReport>
