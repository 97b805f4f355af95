import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AuditKey } from '../../src/registry/audit/audit-key.ts'
import { generateMasterKey, MasterKeys } from '../../src/registry/master-keys.ts'
import { openRegistry } from '../../src/registry/open-registry.ts'
import type { Registry } from '../../src/registry/registry.ts'
import type { ChildService } from '../http/child-service.ts'
import { ServiceWorld } from '../http/service-world.ts'
import { startConsul } from '../support/consul.ts'
import { type OwnPostgresServer, startPostgres } from '../support/postgres.ts'
import type { Ran, Variables, Version } from './version.ts'

export const BACKENDS = ['postgres', 'file', 'consul'] as const
export type Backend = (typeof BACKENDS)[number]

/** The management database, where the registry is in Postgres. */
export const REGISTRY = 'registry'
const ADMIN = 'tenantry_admin'
/** That services and verbs reach the management database as: it may use the schema, and not change it. */
const USER = 'tenantry_user'
/** As `registry/README.md` says; again after a migration, since that may have made tables. */
const GRANTS = `
  grant connect on database ${REGISTRY} to ${USER};
  grant usage on schema tenantry_registry to ${USER};
  grant select, insert, update, delete on all tables in schema tenantry_registry to ${USER};
  revoke update, delete on tenantry_registry.audit from ${USER};
  grant usage on all sequences in schema tenantry_registry to ${USER}`

interface Place extends AsyncDisposable {
  readonly url: string
  /** Of whoever may migrate it. */
  readonly ownerUrl: string
}

/** A registry, a server for tenants, and the processes of whatever versions are run on them. */
export class Rollout implements AsyncDisposable {
  readonly server: OwnPostgresServer
  readonly masterKey = generateMasterKey()
  readonly #folder: string
  readonly #place: Place
  readonly #variables: Variables

  private constructor(server: OwnPostgresServer, folder: string, place: Place) {
    this.server = server
    this.#folder = folder
    this.#place = place
    this.#variables = {
      TENANTRY_REGISTRY_URL: place.url,
      TENANTRY_MASTER_KEY: this.masterKey.reveal(),
      TENANTRY_ADMIN_KEY: generateMasterKey().reveal(),
      TENANTRY_REGISTRY_MIGRATE: 'by-hand',
      TENANTRY_PORT: '0',
      TENANTRY_OPS_PORT: '0',
    }
  }

  /** With the registry as this version makes it, and the server on record as `main`. */
  static async start(backend: Backend, version: Version): Promise<Rollout> {
    const server = await startPostgres()
    const folder = await mkdtemp(join(tmpdir(), 'tenantry-rollout-'))
    const rollout = new Rollout(server, folder, await placeOf(backend, server, folder))
    await server.createRole(ADMIN, 'pw', 'createdb createrole')
    for (const database of ['postgres', 'template1', ...(backend === 'postgres' ? [REGISTRY] : [])])
      await server.execute(`revoke connect on database ${database} from public`)
    await server.execute(`grant connect on database postgres to ${ADMIN}`)
    await rollout.migrate(version)
    await rollout.grant()
    await rollout.does(
      version,
      ['server', 'add', 'main', '--dsn-file', '-'],
      server.dsn('postgres', ADMIN, 'pw'),
    )
    return rollout
  }

  /** As the owner of the registry. */
  async migrate(version: Version, ...flags: readonly string[]): Promise<unknown> {
    return this.does(version, ['registry', 'migrate', '--registry', this.#place.ownerUrl, ...flags])
  }

  /** What the services may do in a registry that is in Postgres. */
  async grant(): Promise<void> {
    if (this.#place.url !== this.#place.ownerUrl) await this.server.execute(GRANTS, REGISTRY)
  }

  /** The registry as this test reads it. */
  open(): Promise<Registry> {
    return openRegistry(this.#place.ownerUrl, { auditKey: new AuditKey(MasterKeys.fromText(this.masterKey)) })
  }

  run(version: Version, words: readonly string[], input?: string): Promise<Ran> {
    return version.run(words, this.#variables, input)
  }

  begin(version: Version, words: readonly string[]): ReturnType<Version['begin']> {
    return version.begin(words, this.#variables)
  }

  /** What a verb answers. @throws where it ends with another code than 0. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each verb answers another shape
  async does(version: Version, words: readonly string[], input?: string): Promise<any> {
    const { code, out, err } = await this.run(version, [...words, '--json'], input)
    if (code !== 0) throw new Error(`${version.name}: tenantry ${words.join(' ')}: ${code}\n${out}${err}`)
    return JSON.parse(out)
  }

  async key(version: Version, ...scope: string[]): Promise<string> {
    return (await this.does(version, ['key', 'create', ...scope])).secret
  }

  /** A tenant whose only row is its own name. */
  async create(version: Version, id: string): Promise<void> {
    await this.does(version, await this.createWords(id))
  }

  async createWords(id: string): Promise<string[]> {
    const path = join(this.#folder, `${id}.sql`)
    await writeFile(path, ownTable(id))
    return ['tenant', 'create', id, '--schema', path]
  }

  /** @param operatorKey that `operate()` asks with. */
  async serve(version: Version, operatorKey: string): Promise<ServiceWorld<ChildService>> {
    const logLines: string[] = []
    const child = await version.serve(this.#variables, logLines)
    const own = await mkdtemp(join(tmpdir(), 'tenantry-replica-'))
    return new ServiceWorld(child, operatorKey, own, logLines)
  }

  /** What doctor finds wrong. */
  async findings(version: Version): Promise<string[]> {
    const { findings } = await this.does(version, ['doctor'])
    const wrong = findings.filter(({ severity }: { severity: string }) => severity !== 'info')
    return wrong.map(({ subject, what }: { subject: string; what: string }) => `${subject}: ${what}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place[Symbol.asyncDispose]()
    await this.server.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

export function ownTable(tenant: string): string {
  return `create table owner (name text); insert into owner values ('${tenant}')`
}

async function placeOf(backend: Backend, server: OwnPostgresServer, folder: string): Promise<Place> {
  if (backend === 'consul') {
    const consul = await startConsul()
    const url = `consul://:${consul.token}@${consul.host}:${consul.port}/tenantry`
    return { url, ownerUrl: url, [Symbol.asyncDispose]: () => consul.stop() }
  }
  const url = `file:${join(folder, 'registry.yaml')}`
  if (backend === 'file') return { url, ownerUrl: url, [Symbol.asyncDispose]: async () => {} }
  await server.createDatabase(REGISTRY)
  await server.createRole(USER, 'pw')
  return {
    url: server.dsn(REGISTRY, USER, 'pw'),
    ownerUrl: server.dsn(REGISTRY),
    [Symbol.asyncDispose]: async () => {},
  }
}
