import { rm } from 'node:fs/promises'
import { EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts'
import { makePlaces, type Place } from './places.ts'
import { type ServerTls, serverTls } from './server-tls.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface GroundNeeds {
  readonly databases: number
  /** Of the server. Above every budget: a peer may pass its own and is not punished for it. */
  readonly maxConnections: number
  /** Whether the server takes TLS beside plain connections. */
  readonly tls: boolean
}

/** A Postgres 18 of its own. All of it is gone at the end. */
export interface Ground extends AsyncDisposable {
  readonly version: number
  /** Of the postmaster. */
  readonly pid: number
  readonly address: Address
  readonly systemIdentifier: string
  readonly places: readonly Place[]
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string | undefined
  /** What the server was told beside its defaults. */
  readonly settings: Readonly<Record<string, string>>
  /** Superuser login, directly. */
  adminDsn(database?: string): string
}

export async function startGround(needs: GroundNeeds, dataDir: string): Promise<Ground> {
  const tls: ServerTls | undefined = needs.tls ? await serverTls() : undefined
  // Nothing is written while it is measured but statistics; fsync off only makes the databases sooner.
  const settings = { max_connections: String(needs.maxConnections), fsync: 'off', full_page_writes: 'off' }
  const postgres = await EmbeddedPostgres.start({
    dataDir,
    durable: false,
    settings: { ...settings, ...tls?.settings },
  })
  const dispose = async () => {
    await postgres.stop()
    await rm(postgres.folder, { recursive: true, force: true })
    await tls?.remove()
  }
  const address = { host: postgres.host, port: postgres.port }
  const password = encodeURIComponent(postgres.password.reveal())
  const adminDsn = (database = 'postgres') =>
    `postgres://${postgres.superuser}:${password}@${address.host}:${address.port}/${database}?sslmode=disable`
  try {
    const made = await makePlaces(adminDsn(), needs.databases)
    const { version, pid } = postgres
    return {
      version,
      pid,
      address,
      settings,
      adminDsn,
      ...made,
      ca: tls?.ca,
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}
