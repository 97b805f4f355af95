import { z } from 'zod'

/** 2^31 - 1: a longer `setTimeout` fires at once. */
const MAX_TIMER_MS = 2_147_483_647
const milliseconds = z.int().min(1).max(MAX_TIMER_MS)

export const RouterOptions = z
  .strictObject({
    /** Connections that this process may have open, opening or closing, over all servers; quarantined ones its server counts. */
    maxConnections: z.int().min(1).max(100_000).default(100),
    /** Tenants with at least one connection open or opening. Default: as many as connections. */
    maxPools: z.int().min(1).max(100_000).optional(),
    /** Connections of one tenant; a tenant's own limit may be lower. */
    maxConnectionsPerTenant: z.int().min(1).max(10_000).default(10),
    /** Milliseconds a connection may be idle before it is closed. */
    poolIdleTimeoutMs: milliseconds.default(300_000),
    /** Milliseconds the oldest waiter of a tenant waits at least before a further connection is opened for it. */
    growAfterMs: z.int().min(0).max(60_000).default(2),
    /** Milliseconds after which a connection is replaced between leases; each gets ± 10 % of its own. */
    maxConnectionLifetimeMs: milliseconds.default(1_800_000),
    /** Distinct prepared statements after which a connection is replaced between leases. */
    maxStatementsPerConnection: z.int().min(1).max(100_000).default(500),
    /** Milliseconds a caller waits for a connection before `AcquireTimeoutError`. */
    acquireTimeoutMs: milliseconds.default(5_000),
    /** Milliseconds a lease may be held; past it the statement is cancelled and the connection taken away. */
    leaseTimeoutMs: milliseconds.default(60_000),
    /** Milliseconds for TCP, TLS, login and identity check of one new connection. */
    connectTimeoutMs: milliseconds.default(5_000),
    /** Callers that may wait at once, over all tenants. */
    maxWaiters: z.int().min(1).max(1_000_000).default(1_000),
    /** The server's own limit for one statement, sent as `statement_timeout`. */
    statementTimeoutMs: milliseconds.default(30_000),
    /** Bytes of one answer on the socket, for leases that set no cap of their own. */
    maxResultBytes: z.int().min(1_024).max(4_294_967_295).default(10_485_760),
    /** Milliseconds that `close()` waits for leases before it cuts them. */
    drainTimeoutMs: milliseconds.default(30_000),
    /** Connections being opened at once, for one server and (but slow ones, opener.ts) for this process. */
    maxOpeningPerServer: z.int().min(1).max(1_000).default(4),
    maxOpening: z.int().min(1).max(1_000).default(8),
  })
  .transform((o) => ({ ...o, maxPools: o.maxPools ?? o.maxConnections }))

/** What callers may write. */
export type RouterOptions = z.input<typeof RouterOptions>
/** What the code reads: no `?`, no second default. */
export type ResolvedRouterOptions = z.output<typeof RouterOptions>
