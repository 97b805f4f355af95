import { z } from 'zod'
import { keptRecord } from '../tenant/kept-record.ts'
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

export function isSameCluster(one: Cluster, other: Cluster): boolean {
  if (one.systemIdentifier !== null && other.systemIdentifier !== null) {
    return one.systemIdentifier === other.systemIdentifier
  }
  return one.serverAddress !== null && one.serverAddress === other.serverAddress
}

/** As of a schema version: `2026-11`, `v42`. */
export const TemplateName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9_.-]{0,61}[a-z0-9])?$/,
    'must be lower-case letters, digits, dots and hyphens, at most 63',
  )

/** A database that tenants are copied from. Once it is made it does not change: another schema is another template. */
export const Template = z.strictObject({
  name: TemplateName,
  database: z.string().min(1).max(63),
  /** Owns what is in it, and not the database. */
  owner: z.string().min(1).max(63),
  schemaSha256: z.string(),
  /** The operation that makes it; null once it is made. */
  operation: z.uuid().nullable(),
})
export type Template = z.output<typeof Template>

/** A database that was made before it was wanted: whole, and no tenant's. */
export const Spare = z.strictObject({
  database: z.string().min(1).max(63),
  incarnation: z.uuid(),
  template: TemplateName.nullable(),
})
export type Spare = z.output<typeof Spare>

export const Spares = z.strictObject({
  /** How many are to be ready. */
  count: z.int().min(0).max(1000),
  template: TemplateName.nullable(),
  ready: z.array(Spare),
  /** That makes or drops some, or was the last to. */
  operation: z.uuid().nullable(),
})
export type Spares = z.output<typeof Spares>

export const ServerRecord = keptRecord({
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
  /** No new tenants are made there; those that are there are served. */
  draining: z.boolean().optional(),
  templates: z.array(Template).max(200).optional(),
  spares: Spares.optional(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
})
export type ServerRecord = z.output<typeof ServerRecord>

/** Host and port. */
export function primaryOf({ endpoints }: ServerRecord): string {
  const { host = '', port = 0 } = endpoints.find(({ role }) => role === 'primary') ?? {}
  return `${host.toLowerCase()} ${port}`
}

/** Whether connections to one lead where those to the other do; budget, labels and the master key may differ. */
export function isSamePlace(a: ServerRecord, b: ServerRecord): boolean {
  const place = ({ id, endpoints, tls, via }: ServerRecord) => {
    const { clientCert } = tls
    const cert = clientCert && { ...clientCert, key: clientCert.key.ciphertext }
    return JSON.stringify([id, endpoints, { ...tls, clientCert: cert }, via])
  }
  return a === b || place(a) === place(b)
}
