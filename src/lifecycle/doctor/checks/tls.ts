import { isIP } from 'node:net'
import type { ServerRecord } from '../../../registry/server-record.ts'
import type { Found } from '../finding.ts'
import type { FleetCheck } from '../fleet.ts'

const WEAKNESS: Readonly<Record<Exclude<ServerRecord['tls']['mode'], 'verify-full'>, string>> = {
  disable: 'Whoever is on the network between reads all rows, and can answer in its place.',
  require: 'Whoever is on the network between can answer in its place: its certificate is not looked at.',
  'verify-ca': 'Any server with a certificate of the same authority can answer in its place.',
}

export const tls: FleetCheck = {
  name: 'tls',
  run: (_parts, { wanted }): Found[] =>
    wanted.flatMap(({ id, record: { tls: settings, endpoints } }) => {
      const { mode } = settings
      if (mode === 'verify-full' || endpoints.every(({ host }) => isLocal(host))) return []
      return [
        {
          severity: 'info',
          subject: `server ${id}`,
          what: `Connections to it use TLS mode ${mode}, less than verify-full.`,
          consequence: WEAKNESS[mode],
          fix: `tenantry server add ${id} --dsn-file FILE, with sslmode=verify-full&sslrootcert=CA in the DSN`,
        },
      ]
    }),
}

/** Nobody else is on the way there. */
function isLocal(host: string): boolean {
  return (
    host.startsWith('/') ||
    host === 'localhost' ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  )
}
