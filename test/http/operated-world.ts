import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateMasterKey } from '../../src/registry/master-keys.ts'
import { type PostgresServer, sharedPostgres } from '../support/postgres.ts'
import { type ServiceWorld, startServiceWorld } from './service-world.ts'

export interface AuditLine {
  readonly actor: string
  readonly action: string
  readonly target: string
}

/** A whole service that may make tenants, on a server whose admin is no superuser. What it makes there is dropped at the end. */
export class OperatedWorld implements AsyncDisposable {
  readonly service: ServiceWorld
  readonly server: PostgresServer
  /** Of the server `main`. */
  readonly admin: string
  readonly #made = new Map<string, Promise<string>>()
  #last = 0

  private constructor(service: ServiceWorld, server: PostgresServer, admin: string) {
    this.service = service
    this.server = server
    this.admin = admin
  }

  static async start(): Promise<OperatedWorld> {
    const server = sharedPostgres()
    const admin = `admin_${randomBytes(6).toString('hex')}`
    await server.createRole(admin, 'pw', 'createdb createrole')
    const service = await startServiceWorld({ ADMIN_KEY: generateMasterKey().reveal() })
    return new OperatedWorld(service, server, admin)
  }

  /** Of a login that may provision. */
  get adminDsn(): string {
    return this.server.dsn('postgres', this.admin, 'pw')
  }

  /** What `make` made when it was first asked for by that name. */
  once(name: string, make: () => Promise<string>): Promise<string> {
    const there = this.#made.get(name) ?? make()
    this.#made.set(name, there)
    return there
  }

  /** A name that no tenant has. */
  newId(): string {
    this.#last += 1
    return `t${this.#last}`
  }

  /** Everything that was audited, oldest first: read from the file that it is kept in. */
  audited(): AuditLine[] {
    const text = readFileSync(join(this.service.folder, 'registry.yaml.audit.jsonl'), 'utf8')
    return text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as AuditLine) // the form that the registry documents
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]()
    const made = await this.server.query<{ name: string }>(
      `select d.datname::text as name from pg_database d
        where d.datdba in (select m.roleid from pg_auth_members m where m.member = $1::regrole)
          or d.datdba = $1::regrole`,
      [this.admin],
    )
    for (const { name } of made) {
      await this.server.execute(`alter database "${name}" with is_template false allow_connections true`)
      await this.server.dropDatabase(name)
    }
    const roles = await this.server.query<{ name: string }>(
      `select distinct r.rolname::text as name from pg_auth_members m join pg_roles r on r.oid = m.roleid
        where m.member = $1::regrole and r.rolname not like 'pg\\_%'`,
      [this.admin],
    )
    for (const { name } of roles) await this.server.dropRole(name)
    await this.server.dropRole(this.admin)
  }
}
