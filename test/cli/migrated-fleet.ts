import { join } from 'node:path'
import { expect } from 'vitest'
import { ExecGround } from './exec-ground.ts'

const MIGRATORS = join(import.meta.dirname, 'migrators')

/** What both migrators make, with their own tables. */
export const MIGRATED = ['invoices', 'pgmigrations', 'projects', 'tasks']

/**
 * Brings a fleet to one schema with two migrators that teams have already, one after the other.
 * @returns the tables of each tenant.
 */
export async function migratesFleet(tenants: number): Promise<string[][]> {
  const ids = Array.from({ length: tenants }, (_, index) => `t${index + 1}`)
  await using fleet = await ExecGround.start(ids, 'tenant')
  const exec = (version: string, ...command: string[]) =>
    fleet.run(['exec', '--all', '--concurrency', '2', '--version', version, '--', ...command])
  const allAt = (version: string) => Object.fromEntries(ids.map((id) => [id, version]))

  const drizzle = await exec('0001_tasks', process.execPath, join(MIGRATORS, 'drizzle-migrate.mjs'))
  expect(drizzle).toMatchObject({ code: 0, out: expect.stringContaining('t1: done in') })
  expect(await fleet.versions()).toEqual(allAt('0001_tasks'))

  const bin = join(import.meta.dirname, '../../node_modules/node-pg-migrate/bin/node-pg-migrate.js')
  const folder = join(MIGRATORS, 'node-pg-migrate')
  const migrated = await exec('invoices', process.execPath, bin, 'up', '--migrations-dir', folder)
  expect(migrated).toMatchObject({ code: 0, out: expect.stringMatching(/^t1 \| .*invoices/m) })
  expect(await fleet.versions()).toEqual(allAt('invoices'))
  const failed = await exec('broken', process.execPath, '-e', 'process.exit(1)')
  expect(failed).toMatchObject({ code: 1, err: expect.stringMatching(/ended with exit code 1/) })
  expect(await fleet.versions()).toEqual(allAt('invoices'))
  return Promise.all(ids.map((id) => fleet.tablesOf(id)))
}
