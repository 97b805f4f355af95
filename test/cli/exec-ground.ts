import { join } from 'node:path'
import { LifecycleGround, randomName } from '../lifecycle/ground.ts'
import { type Ran, Terminal } from './terminal.ts'

/** Tenants whose databases belong to somebody else, on record as `init` and `tenant register` put them there. */
export class ExecGround implements AsyncDisposable {
  readonly ground: LifecycleGround
  readonly terminal: Terminal
  /** Tenant → its database. */
  readonly databases: ReadonlyMap<string, string>
  readonly settings: string

  constructor(ground: LifecycleGround, terminal: Terminal, databases: ReadonlyMap<string, string>) {
    this.ground = ground
    this.terminal = terminal
    this.databases = databases
    this.settings = join(ground.folder, 'tenantry.env')
  }

  /** @param stem of the databases' names. postgres.js 3.4.9 does not decode what has to be escaped in a URL. */
  static async start(tenants: readonly string[], stem = 'Tenant %db'): Promise<ExecGround> {
    const ground = await LifecycleGround.start(18)
    const terminal = new Terminal({
      PATH: process.env['PATH'] ?? '',
      TENANTRY_OPERATOR_KEY: 'tk_aaaaaaaaaaaa_x',
    })
    await terminal.run(['init', ground.folder])
    const databases = new Map<string, string>()
    const made = new ExecGround(ground, terminal, databases)
    for (const tenant of tenants) {
      const role = randomName('role')
      const database = randomName(stem)
      const dsnOf = await ground.foreign(role, [database])
      databases.set(tenant, database)
      const { code, err } = await made.run(['tenant', 'register', tenant, '--dsn-file', '-'], dsnOf(database))
      if (code !== 0) throw new Error(err)
    }
    return made
  }

  /** @param words of a verb, with what follows `--` in it. */
  run(words: readonly string[], input = ''): Promise<Ran> {
    const at = words.indexOf('--')
    const end = at === -1 ? words.length : at
    return this.terminal.run(
      [...words.slice(0, end), '--env-file', this.settings, ...words.slice(end)],
      input,
    )
  }

  /** What the record says of each tenant's schema. */
  async versions(): Promise<Record<string, string | null>> {
    const { out } = await this.run(['tenant', 'list', '--json'])
    const tenants = JSON.parse(out) as { id: string; schemaVersion: string | null }[] // the verb's own answer
    return Object.fromEntries(tenants.map(({ id, schemaVersion }) => [id, schemaVersion]))
  }

  async tablesOf(tenant: string): Promise<string[]> {
    const rows = await this.ground.server.query<{ name: string }>(
      "select tablename::text as name from pg_tables where schemaname = 'public' order by 1",
      [],
      this.databases.get(tenant),
    )
    return rows.map(({ name }) => name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.ground[Symbol.asyncDispose]()
  }
}
