import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresAccount } from '../../src/demo/postgres-account.ts'
import { makeAuthority } from '../../test/support/certificates.ts'

export interface ServerTls {
  readonly ca: string
  readonly settings: Readonly<Record<string, string>>
  remove(): Promise<void>
}

/** A certificate for loopback, in files that the user who runs Postgres may read and nobody else. */
export async function serverTls(): Promise<ServerTls> {
  const authority = await makeAuthority()
  const { certificate, key } = await authority.issue({ names: ['127.0.0.1', 'localhost'] })
  const account = await postgresAccount()
  const folder = await mkdtemp(join(tmpdir(), 'tenantry-bench-tls-'))
  await chmod(folder, 0o711)
  const settings: Record<string, string> = { ssl: 'on' }
  for (const [setting, content] of Object.entries({ ssl_cert_file: certificate, ssl_key_file: key })) {
    const path = join(folder, setting)
    await writeFile(path, content, { mode: 0o600 })
    if (account) await chown(path, account.uid, account.gid)
    settings[setting] = path
  }
  return { ca: authority.caPem, settings, remove: () => rm(folder, { recursive: true, force: true }) }
}
