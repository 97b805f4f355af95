import type { Found } from '../finding.ts'
import type { ServerCheck } from '../server-look.ts'

/** Measured with 2,200 databases: 17 GB of files without a row in them, and 14 s until the server is up after a crash. */
const MANY = 2_000
const TOO_MANY = 3_000

export const density: ServerCheck = {
  name: 'density',
  run({ server, catalog }): Found[] {
    const count = catalog.databases.size
    if (count < MANY) return []
    return [
      {
        severity: count >= TOO_MANY ? 'warning' : 'info',
        subject: `server ${server.id}`,
        what: `It has ${count} databases; 1,000 to ${MANY.toLocaleString('en')} is what servers carry well.`,
        consequence:
          'Each is some 300 files: start after a crash, backups and autovacuum take longer with every one.',
        fix: `tenantry server drain ${server.id}`,
      },
    ]
  },
}
