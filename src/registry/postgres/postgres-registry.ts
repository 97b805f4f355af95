import type { Connection, ConnectionTarget, Statement, StatementResult } from '../../connection/connection.ts'
import { openConnection } from '../../connection/open.ts'
import type { Secret } from '../../secret.ts'
import { type AliasKind, aliasId } from '../alias-record.ts'
import type { AuditKey } from '../audit/audit-key.ts'
import type { TrailFilter, TrailPage } from '../audit/audit-trail.ts'
import { refuseMalformedCommit } from '../commit-rules.ts'
import { parseStoredRecord } from '../record-schema.ts'
import type {
  ChangeBatch,
  Commit,
  Entry,
  Expectation,
  Kind,
  ListFilter,
  Page,
  Registry,
} from '../registry.ts'
import { available } from './available.ts'
import { followChanges } from './change-feed.ts'
import { Commits } from './commits.ts'
import { findStatement, findTenantByAliasStatement, listStatement } from './entry-statements.ts'
import { ManagementPool } from './management-pool.ts'
import type { SchemaChange } from './migrations.ts'
import { prepareSchema, targetOf } from './schema.ts'
import { trailPageOf, trailStatement } from './trail-statement.ts'

/** How a registry in Postgres is opened and followed. */
export interface PostgresRegistryOptions {
  /** Changes kept for followers. Default 10,000. */
  readonly maxChanges?: number
  /** Milliseconds between looks at the change log, beside the notifications. Default 1,000. */
  readonly pollMs?: number
  /** Milliseconds that one call may take. Default 5,000. */
  readonly timeoutMs?: number
  /** Hears of a change feed that was cut, once for each reason until it is answered. */
  readonly onFault?: (fault: Error) => void
  /** Ends the opening, not what was opened. Default: never. */
  readonly signal?: AbortSignal
  /** Seals what is written into the audit. Default: it stays unsealed. */
  readonly auditKey?: AuditKey | undefined
  /** Whether an older schema is brought to what this version knows. Default: true. */
  readonly migrate?: boolean
}
type ResolvedOptions = Required<PostgresRegistryOptions>

/** That a migration may take that somebody waits for: an index on millions of tenants takes minutes. */
const BY_HAND_MS = 3_600_000
/** Connections for calls; each follower has one more. */
const POOL_SIZE = 2

/** A registry in a management database of Postgres 15 or later, reached without a transaction pooler (LISTEN). */
export class PostgresRegistry implements Registry {
  readonly id: string
  readonly #target: ConnectionTarget
  readonly #options: ResolvedOptions
  readonly #pool: ManagementPool
  readonly #commits: Commits
  readonly #closed = new AbortController()
  /** Of followers: each closes with its follower, all with the registry. */
  readonly #listening = new Set<Connection>()
  #closing: Promise<void> | undefined

  private constructor(id: string, target: ConnectionTarget, pool: ManagementPool, options: ResolvedOptions) {
    this.id = id
    this.#target = target
    this.#pool = pool
    this.#options = options
    const run = (statement: Statement, isRepeatable: boolean) => pool.run(statement, { isRepeatable })
    this.#commits = new Commits({ run, id, ...options })
  }

  /**
   * Makes or upgrades the schema `tenantry_registry` where it must.
   * @throws {InvalidDsnError} {RegistryTooNewError} {RegistryUnavailableError}
   * @throws {RegistryTooOldError} where it must and may not.
   */
  static async open(dsn: Secret, options: PostgresRegistryOptions = {}): Promise<PostgresRegistry> {
    const { signal = new AbortController().signal } = options
    const resolved = {
      maxChanges: 10_000,
      pollMs: 1_000,
      timeoutMs: 5_000,
      onFault: () => {},
      auditKey: undefined,
      migrate: true,
      ...options,
      signal,
    }
    const target = targetOf(dsn, resolved.timeoutMs)
    await prepareSchema(target, resolved.migrate ? 'apply' : 'refuse', resolved)
    const pool = new ManagementPool(target, POOL_SIZE, resolved.timeoutMs)
    try {
      const text = 'select id::text from tenantry_registry.registry'
      const { rows } = await available(pool.run({ text }, { isRepeatable: true, signal }))
      const [row] = rows as { id: string }[] // the column of the statement above
      return new PostgresRegistry(row?.id ?? '', target, pool, resolved)
    } catch (error) {
      await pool.close()
      throw error
    }
  }

  /**
   * Brings the schema to what this version knows, or tells what that would take.
   * @throws {InvalidDsnError} {RegistryTooNewError} {RegistryUnavailableError}
   */
  static migrate(dsn: Secret, isDry: boolean): Promise<SchemaChange> {
    const signal = new AbortController().signal
    const terms = { timeoutMs: 5_000, migrateMs: BY_HAND_MS, signal }
    return prepareSchema(targetOf(dsn, terms.timeoutMs), isDry ? 'look' : 'apply', terms)
  }

  async find<K extends Kind>(kind: K, id: string, signal?: AbortSignal): Promise<Entry<K> | undefined> {
    const [entry] = await this.#read(kind, findStatement(kind, id), signal)
    return entry
  }

  async findByAlias(
    kind: AliasKind,
    value: string,
    signal?: AbortSignal,
  ): Promise<Entry<'tenant'> | undefined> {
    const [entry] = await this.#read('tenant', findTenantByAliasStatement(aliasId(kind, value)), signal)
    return entry
  }

  async list<K extends Kind>(
    kind: K,
    cursor?: string,
    filter: ListFilter = {},
    signal?: AbortSignal,
  ): Promise<Page<K>> {
    const { statement, size } = listStatement(kind, cursor, filter)
    const found = await this.#read(kind, statement, signal)
    const entries = found.slice(0, size)
    return { entries, next: found.length > size ? entries.at(-1)?.id : undefined }
  }

  async tenantsByServer(signal?: AbortSignal): Promise<ReadonlyMap<string, number>> {
    const text = 'select server, tenants::int from tenantry_registry.crowd where tenants > 0'
    const { rows } = await this.#run({ text }, true, signal)
    const counted = rows as { server: string; tenants: number }[] // the columns of the statement above
    return new Map(counted.map(({ server, tenants }) => [server, tenants]))
  }

  async commit(commit: Commit, expectations: readonly Expectation[]): Promise<readonly number[]> {
    refuseMalformedCommit(commit, expectations)
    return available(this.#commits.commit(commit, expectations))
  }

  async auditTrail(cursor?: string, filter: TrailFilter = {}, signal?: AbortSignal): Promise<TrailPage> {
    return trailPageOf(await this.#run(trailStatement(cursor, filter), true, signal), filter)
  }

  async nextGeneration(): Promise<number> {
    const text = `select nextval('tenantry_registry.generation')::text as generation`
    const { rows } = await this.#run({ text }, true)
    const [row] = rows as { generation: string }[] // the column of the statement above
    return Number(row?.generation)
  }

  async *changes(position: string | undefined, signal: AbortSignal): AsyncGenerator<ChangeBatch> {
    const stopped = AbortSignal.any([signal, this.#closed.signal])
    const open = (onNotification: () => void) => this.#openListening(onNotification, stopped)
    yield* followChanges(position, stopped, { ...this.#options, open })
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    this.#closed.abort()
    const listening = [...this.#listening]
    for (const connection of listening) connection.destroy(new Error('the registry is closed'))
    await Promise.all([this.#pool.close(), ...listening.map(({ closed }) => closed)])
  }

  async #openListening(onNotification: () => void, signal: AbortSignal): Promise<Connection> {
    const { timeoutMs } = this.#options
    const connection = await openConnection(this.#target, {
      connectTimeoutMs: timeoutMs,
      signal,
      onNotification,
    })
    this.#listening.add(connection)
    void connection.closed.then(() => this.#listening.delete(connection))
    return connection
  }

  async #read<K extends Kind>(
    kind: K,
    statement: Statement,
    signal: AbortSignal | undefined,
  ): Promise<Entry<K>[]> {
    const { rows } = await this.#run(statement, true, signal)
    // The columns of every statement in entry-statements.ts.
    return (rows as { id: string; revision: string; record: string }[]).map(({ id, revision, record }) => ({
      kind,
      id,
      revision: Number(revision),
      record: parseStoredRecord(kind, id, JSON.parse(record)),
    }))
  }

  #run(statement: Statement, isRepeatable: boolean, signal?: AbortSignal): Promise<StatementResult> {
    return available(this.#pool.run(statement, { isRepeatable, signal }))
  }
}
