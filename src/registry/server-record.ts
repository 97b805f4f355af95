import { z } from 'zod'
import { Sealed } from '../tenant/sealed.ts'
import { Labels } from '../tenant/tenant-record.ts'

export const ServerId = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'must be a lower-case slug')

export const Endpoint = z.strictObject({
  role: z.enum(['primary', 'replica']),
  /** A host name, an address, or the folder of a Unix socket (begins with `/`). */
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65535),
})
export type Endpoint = z.output<typeof Endpoint>

export const TlsSettings = z.strictObject({
  mode: z.enum(['disable', 'require', 'verify-ca', 'verify-full']),
  /** PEM; null means the certificate authorities that Node trusts. */
  ca: z.string().nullable().default(null),
  /** The name the certificate must have, where it is not the endpoint's host. */
  serverName: z.string().nullable().default(null),
  clientCert: z.strictObject({ certificate: z.string(), key: Sealed }).nullable().default(null),
})
export type TlsSettings = z.output<typeof TlsSettings>

export const ServerBudget = z.strictObject({
  /** Connections that all replicas of the router together may have open for tenants. */
  maxConnections: z.int().positive(),
  /** Connections beside the budget: admin, cancel, terminate. Part of the sum checked against `max_connections`. */
  headroom: z.int().positive().default(3),
})

/** What tells that two servers on record are one cluster. `serverAddress` stands in where the identifier is refused. */
export const Cluster = z.strictObject({
  systemIdentifier: z.string().nullable(),
  serverAddress: z.string().nullable(),
})
export type Cluster = z.output<typeof Cluster>

export const ServerRecord = z.strictObject({
  id: ServerId,
  endpoints: z.array(Endpoint).min(1),
  tls: TlsSettings,
  via: z.enum(['direct', 'session-pooler', 'transaction-pooler']).default('direct'),
  /** The login that provisions here; null where nothing is provisioned. Its password is sealed under the admin key. */
  admin: z
    .strictObject({
      role: z.string().min(1).max(63),
      password: Sealed.nullable(),
      database: z.string().min(1),
    })
    .nullable(),
  /** Name of a function, given to the process, that returns short-lived passwords for roles on this server. */
  passwordProvider: z.string().nullable().default(null),
  budget: ServerBudget,
  labels: Labels,
  /** As a login there last saw it; absent where none looked yet. */
  cluster: Cluster.optional(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})
export type ServerRecord = z.output<typeof ServerRecord>

/** Whether connections to one lead where those to the other do; budget and labels may differ. */
export function isSamePlace(a: ServerRecord, b: ServerRecord): boolean {
  const place = ({ id, endpoints, tls, via }: ServerRecord) => JSON.stringify([id, endpoints, tls, via])
  return a === b || place(a) === place(b)
}
