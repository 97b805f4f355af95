import { NEWEST_VERSION, OLDEST_VERSION } from '../../server/capacity.ts'
import type { Found } from '../finding.ts'
import type { ServerCheck } from '../server-look.ts'

export const version: ServerCheck = {
  name: 'version',
  run({ server, facts }): Found[] {
    if (facts.version >= OLDEST_VERSION && facts.version <= NEWEST_VERSION) return []
    return [
      {
        severity: 'error',
        subject: `server ${server.id}`,
        what: `It runs Postgres ${facts.version}; supported are ${OLDEST_VERSION} to ${NEWEST_VERSION}.`,
        consequence: 'Nobody has tested what a reset leaves in a session there, or what a role can reach.',
        fix: `Move it to a supported version, then: tenantry server accept ${server.id}`,
      },
    ]
  },
}
