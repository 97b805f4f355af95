import { DEFAULT_ITERATIONS } from '../../provision/scram-verifier.ts'
import { quoteName } from '../../sql-name.ts'
import { type Found, some } from '../finding.ts'
import type { ServerCheck, ServerLook } from '../server-look.ts'

/** How the passwords of tenants' roles are kept on the server. */
export const verifiers: ServerCheck = {
  name: 'verifiers',
  run: (look): Found[] => [...ofSetting(look), ...ofRoles(look)],
}

function ofSetting({ server, facts }: ServerLook): Found[] {
  if (facts.passwordEncryption === 'scram-sha-256') return []
  return [
    {
      severity: 'warning',
      subject: `server ${server.id}`,
      what: `Its password_encryption is ${facts.passwordEncryption}.`,
      consequence:
        'Passwords that are set by hand there are kept as MD5, which opens the door to whoever reads it.',
      fix: "ALTER SYSTEM SET password_encryption = 'scram-sha-256'; SELECT pg_reload_conf()",
    },
  ]
}

function ofRoles({ server, catalog, tenants }: ServerLook): Found[] {
  const subject = `server ${server.id}`
  const { verifiers: kept } = catalog
  if (kept === null) {
    return [
      {
        severity: 'info',
        subject,
        what: 'How its passwords are kept is for superusers to read: not looked at.',
        consequence: 'An MD5 verifier there is not seen.',
        fix: "SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'md5%', as a superuser",
      },
    ]
  }
  const active = tenants.filter(({ record }) => record.status === 'active').map(({ record }) => record)
  const weak = active.filter(({ route }) => kept.get(route.role)?.kind === 'md5')
  const few = active.filter(({ route, origin }) => {
    const { iterations = null } = kept.get(route.role) ?? {}
    return origin === 'registered' && iterations !== null && iterations < DEFAULT_ITERATIONS
  })
  const found: Found[] = []
  if (weak.length > 0)
    found.push({
      severity: 'warning',
      subject,
      what: `MD5 passwords: ${some(weak.map(({ id, route }) => `${route.role} of ${id}`))}.`,
      consequence: 'Whoever reads a verifier can log in with it, and a login sends what can be guessed at.',
      fix: weak
        .slice(0, 5)
        .map(({ route }) => `ALTER ROLE ${quoteName(route.role)} PASSWORD '…'`)
        .join('; '),
    })
  if (few.length > 0)
    found.push({
      severity: 'info',
      subject,
      what: `SCRAM of less than ${DEFAULT_ITERATIONS} iterations: ${some(few.map(({ id, route }) => `${route.role} of ${id}`))}.`,
      consequence:
        'Quick to log in with. Where the password is not long and random, quick to guess from a backup, too.',
      fix: null,
    })
  return found
}
