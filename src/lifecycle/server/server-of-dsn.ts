import type { ParsedDsn } from '../../connection/dsn.ts'
import { AlreadyExistsError } from '../../errors.ts'
import type { Entry } from '../../registry/registry.ts'
import { clientKeyBinding } from '../../registry/route.ts'
import type { Sealer } from '../../registry/sealing.ts'
import type { ServerRecord } from '../../registry/server-record.ts'

/** The server on record that a DSN leads to: same address, same TLS. */
export function serverOfDsn(
  servers: readonly Entry<'server'>[],
  dsn: ParsedDsn,
): Entry<'server'> | undefined {
  return servers.find(({ record }) => {
    const primary = record.endpoints.find(({ role }) => role === 'primary')
    return (
      primary !== undefined &&
      primary.host.toLowerCase() === dsn.host.toLowerCase() &&
      primary.port === dsn.port &&
      record.tls.mode === dsn.tls.mode &&
      record.tls.ca === (dsn.tls.ca ?? null) &&
      record.tls.serverName === (dsn.tls.serverName ?? null) &&
      record.tls.clientCert?.certificate === dsn.tls.clientCert?.certificate
    )
  })
}

/** What a DSN says of its server; the client key sealed for the server of this id. */
export function addressOfDsn(
  dsn: ParsedDsn,
  id: string,
  sealer: Sealer,
  registryId: string,
): Pick<ServerRecord, 'endpoints' | 'tls'> {
  const { mode, ca, serverName, clientCert } = dsn.tls
  return {
    endpoints: [{ role: 'primary', host: dsn.host, port: dsn.port }],
    tls: {
      mode,
      ca: ca ?? null,
      serverName: serverName ?? null,
      clientCert: clientCert
        ? {
            certificate: clientCert.certificate,
            key: sealer.seal(clientCert.key, clientKeyBinding(registryId, id)),
          }
        : null,
    },
  }
}

/**
 * A name for a server that nobody named: from its host and port.
 * @throws {AlreadyExistsError} where every likely name is taken.
 */
export function nameForServer(dsn: ParsedDsn, servers: readonly Entry<'server'>[]): string {
  const host = dsn.host.startsWith('/') ? 'socket' : dsn.host
  const slug = `${host.toLowerCase().slice(0, 28)}-${dsn.port}`
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
  const taken = new Set(servers.map(({ id }) => id))
  for (let count = 1; count <= 100; count += 1) {
    const name = count === 1 ? slug : `${slug}-${count}`
    if (!taken.has(name)) return name
  }
  throw new AlreadyExistsError('server', slug)
}
