import type { ConnectionTarget } from '../connection/connection.ts'
import { PreconditionFailedError, UnsupportedError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import type { TenantRecord } from '../tenant/tenant-record.ts'
import type { SealBinding, Sealer } from './sealing.ts'
import type { Endpoint, ServerRecord } from './server-record.ts'

/**
 * Where and as whom a tenant's connections are opened: the primary endpoint of its server.
 * @param provided the password, where the server has a provider for that.
 * @throws {UnsupportedError} where it has one and nothing was provided, as to the verbs of lifecycle.
 * @throws {SealingFailedError}
 */
export function targetOf(
  tenant: TenantRecord,
  server: ServerRecord,
  sealer: Sealer,
  registryId: string,
  provided?: Secret,
): ConnectionTarget {
  if (server.passwordProvider !== null && provided === undefined) {
    throw new UnsupportedError(
      `logging in to server ${server.id} without its password provider ${server.passwordProvider}`,
      'only a router made with passwordProviders has one',
    )
  }
  const { password } = tenant.route
  return {
    ...addressOf(server),
    database: tenant.route.database,
    user: tenant.route.role,
    password:
      provided ??
      (password === null ? undefined : sealer.open(password, tenantPasswordBinding(registryId, tenant))),
    tls: tlsOf(server, sealer, registryId),
    via: server.via,
  }
}

/**
 * Where and as whom this server is administered.
 * @param database default: the record's own.
 * @param sealer opens the TLS client key, which data connections use too and which is sealed under the master key.
 * @throws {PreconditionFailedError} where the record names no admin; {UnsupportedError} where it has the
 * address of a pooler: databases and roles are made on Postgres itself; {SealingFailedError}
 */
export function adminTargetOf(
  server: ServerRecord,
  adminSealer: Sealer,
  registryId: string,
  database?: string,
  sealer?: Sealer,
): ConnectionTarget {
  refusePooler(server)
  const { admin } = server
  if (admin === null) throw new PreconditionFailedError(`Server ${server.id} has no admin login on record.`)
  return {
    ...addressOf(server),
    database: database ?? admin.database,
    user: admin.role,
    password:
      admin.password === null
        ? undefined
        : adminSealer.open(admin.password, adminPasswordBinding(registryId, server.id)),
    tls: tlsOf(server, sealer, registryId),
  }
}

/** Whoever seals a tenant's password uses this binding, or `targetOf` cannot open it. */
export function tenantPasswordBinding(
  registryId: string,
  tenant: Pick<TenantRecord, 'id' | 'generation'>,
): SealBinding {
  return {
    registry: registryId,
    subject: tenant.id,
    generation: tenant.generation,
    field: 'route.password',
  }
}

/** Of `ServerRecord.admin.password`, sealed under the admin key. */
export function adminPasswordBinding(registryId: string, serverId: string): SealBinding {
  return { registry: registryId, subject: serverId, generation: 0, field: 'admin.password' }
}

/** Of `ServerRecord.tls.clientCert.key`, sealed under the master key. */
export function clientKeyBinding(registryId: string, serverId: string): SealBinding {
  return { registry: registryId, subject: serverId, generation: 0, field: 'tls.clientCert.key' }
}

function refusePooler(server: ServerRecord): void {
  if (server.via === 'direct') return
  throw new UnsupportedError(
    `administering server ${server.id} through a ${server.via}`,
    'put the address of Postgres itself on record as a server of its own',
  )
}

function addressOf(server: ServerRecord): Pick<Endpoint, 'host' | 'port'> {
  const primary = server.endpoints.find((endpoint) => endpoint.role === 'primary')
  if (primary === undefined) throw new PreconditionFailedError(`Server ${server.id} has no primary endpoint.`)
  return { host: primary.host, port: primary.port }
}

function tlsOf(
  server: ServerRecord,
  sealer: Sealer | undefined,
  registryId: string,
): ConnectionTarget['tls'] {
  const { mode, ca, serverName, clientCert } = server.tls
  const openKey = (sealed: NonNullable<typeof clientCert>): Secret => {
    if (sealer === undefined) {
      throw new PreconditionFailedError(`The client key of server ${server.id} needs the master key.`)
    }
    return sealer.open(sealed.key, clientKeyBinding(registryId, server.id))
  }
  return {
    mode,
    ...(ca === null ? {} : { ca }),
    ...(serverName === null ? {} : { serverName }),
    ...(clientCert === null
      ? {}
      : { clientCert: { certificate: clientCert.certificate, key: openKey(clientCert) } }),
  }
}
