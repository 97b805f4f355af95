import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import pg from 'pg'
import { EmbeddedPostgres } from '../src/demo/embedded-postgres.ts'
import type { BenchOptions } from './options.ts'

export interface Ground extends AsyncDisposable {
  readonly version: number
  /** Of the postmaster. */
  readonly pid: number
  /** Admin login, to a database that is no tenant's. */
  readonly adminDsn: string
  /** Tenant → DSN of its own role to its own database. */
  readonly tenants: ReadonlyMap<string, { readonly dsn: string; readonly database: string }>
  /** What the server was told beside its defaults. */
  readonly settings: Readonly<Record<string, string>>
}

/** A Postgres 18 of its own with one database and one role for each tenant; all of it is gone at the end. */
export async function startGround(options: BenchOptions, dataDir: string): Promise<Ground> {
  const settings = {
    // Beyond the budget: the peer may pass its own for moments, and is not punished for it.
    max_connections: String(options.budget * 2 + 50),
    fsync: 'off',
    scram_iterations: String(options.iterations),
  }
  const postgres = await EmbeddedPostgres.start({ dataDir, durable: false, settings })
  const dispose = async () => {
    await postgres.stop()
    await rm(postgres.folder, { recursive: true, force: true })
  }
  try {
    const address = `${postgres.host}:${postgres.port}`
    const adminDsn = `postgres://${postgres.superuser}:${encodeURIComponent(postgres.password.reveal())}@${address}/postgres`
    const tenants = await makeDatabases(adminDsn, address, options.tenants)
    return {
      version: postgres.version,
      pid: postgres.pid,
      adminDsn,
      tenants,
      settings,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function makeDatabases(adminDsn: string, address: string, count: number) {
  const tenants = new Map<string, { dsn: string; database: string }>()
  const admin = new pg.Client(adminDsn)
  await admin.connect()
  try {
    for (let number = 1; number <= count; number++) {
      const digits = String(number).padStart(4, '0')
      const [role, database] = [`app_${digits}`, `db_${digits}`]
      const password = randomBytes(24).toString('hex')
      await admin.query(`create role ${role} login password '${password}'`)
      await admin.query(`create database ${database} owner ${role}`)
      const dsn = `postgres://${role}:${password}@${address}/${database}`
      tenants.set(`t${digits}`, { dsn, database })
    }
  } finally {
    await admin.end()
  }
  return tenants
}
