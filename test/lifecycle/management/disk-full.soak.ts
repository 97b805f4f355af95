import { execFile } from 'node:child_process'
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { postgresAccount } from '../../../src/demo/postgres-account.ts'
import { PROVISION_STEPS } from '../../../src/lifecycle/provision/provision-tenant.ts'
import { type OwnPostgresServer, startPostgres } from '../../support/postgres.ts'
import { sqlstateOf } from '../ground.ts'
import { expectWholeTenants } from './refused-writes.ts'

const execute = promisify(execFile)
const SIZE = '48m'

/** A disk of its own in memory, which only root can make, with a folder for Postgres. */
async function smallDisk(): Promise<AsyncDisposable & { readonly path: string }> {
  const root = await mkdtemp(join(tmpdir(), 'tenantry-disk-'))
  await execute('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=0755`, 'tmpfs', root])
  const path = join(root, 'space')
  await mkdir(path)
  const account = await postgresAccount()
  if (account) await chown(path, account.uid, account.gid)
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await execute('umount', ['-l', root])
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** To the last page, and what room is left in pages of tables, too. */
async function fill(server: OwnPostgresServer): Promise<void> {
  const client = await server.connect('registry')
  try {
    for (const table of ['entry', 'audit', 'registry'])
      await client.query(`vacuum full tenantry_registry.${table}`)
    for (const rows of [1_000_000, 10_000, 100, 10, 1]) {
      const grow = client.query(
        `insert into filler select repeat('x', 7000) from generate_series(1, ${rows})`,
      )
      expect(await sqlstateOf(grow)).toBe('53100')
    }
  } finally {
    await client.end()
  }
}

it('a management Postgres whose disk is full leaves no tenant half made, and stops none that is in use', async () => {
  await using disk = await smallDisk()
  await using server = await startPostgres()
  await server.execute(`create tablespace small location '${disk.path}'`)
  await server.execute('create database registry tablespace small')
  await server.execute(
    'create table filler (x text); alter table filler alter x set storage plain',
    'registry',
  )
  const goneOnWith = await expectWholeTenants({
    dsn: server.dsn('registry'),
    refuseWrites: () => fill(server),
    takeWrites: () => server.execute('drop table filler', 'registry'),
  })
  expect(goneOnWith).toBe(PROVISION_STEPS.length)
}, 300_000)
