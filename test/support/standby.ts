import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { postgresAccount } from '../../src/demo/postgres-account.ts'
import type { OwnPostgresServer } from './postgres.ts'

/** Starts again as a standby of nobody: it serves reads, and refuses writes until it is promoted. */
export async function restartAsStandby(server: OwnPostgresServer): Promise<void> {
  await server.whileStopped(async (data) => {
    const file = join(data, 'standby.signal')
    await writeFile(file, '')
    const account = await postgresAccount()
    if (account) await chown(file, account.uid, account.gid)
  })
}
