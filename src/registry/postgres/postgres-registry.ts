import type { Connection, ConnectionTarget, Statement, StatementResult } from '../../connection/connection.ts'
import { parseDsn } from '../../connection/dsn.ts'
import { openConnection } from '../../connection/open.ts'
import {
  CancelledError,
  RegistryTooNewError,
  RegistryUnavailableError,
  RevisionConflictError,
  SqlError,
} from '../../errors.ts'
import type { Secret } from '../../secret.ts'
import { type AliasKind, aliasId } from '../alias-record.ts'
import { refuseMalformedCommit } from '../commit-rules.ts'
import { parseStoredRecord, tenantOf } from '../record-schema.ts'
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
import { within } from '../within.ts'
import { followChanges } from './change-feed.ts'
import { findStatement, findTenantByAliasStatement, listStatement } from './entry-statements.ts'
import { ManagementPool } from './management-pool.ts'
import { migrate } from './migrations.ts'

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
}

/** Connections for calls; each follower has one more. */
const POOL_SIZE = 2
const MIGRATE_TIMEOUT_MS = 60_000
/** What `commit_1` raises. */
const CONFLICT = 'TR001'

/** A registry in a management database of Postgres 15 or later, reached without a transaction pooler (LISTEN). */
export class PostgresRegistry implements Registry {
  readonly id: string
  readonly #target: ConnectionTarget
  readonly #options: Required<PostgresRegistryOptions>
  readonly #pool: ManagementPool
  readonly #closed = new AbortController()
  /** Of followers: each closes with its follower, all with the registry. */
  readonly #listening = new Set<Connection>()
  #closing: Promise<void> | undefined

  private constructor(
    id: string,
    target: ConnectionTarget,
    pool: ManagementPool,
    options: Required<PostgresRegistryOptions>,
  ) {
    this.id = id
    this.#target = target
    this.#pool = pool
    this.#options = options
  }

  /**
   * Makes or upgrades the schema `tenantry_registry` where it must.
   * @throws {InvalidDsnError} {RegistryTooNewError} {RegistryUnavailableError}
   */
  static async open(dsn: Secret, options: PostgresRegistryOptions = {}): Promise<PostgresRegistry> {
    const { signal = new AbortController().signal } = options
    const resolved = {
      maxChanges: 10_000,
      pollMs: 1_000,
      timeoutMs: 5_000,
      onFault: () => {},
      ...options,
      signal,
    }
    const target = targetOf(dsn, resolved.timeoutMs)
    await prepareSchema(target, resolved.timeoutMs, signal)
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

  async commit(commit: Commit, expectations: readonly Expectation[]): Promise<readonly number[]> {
    refuseMalformedCommit(commit, expectations)
    const puts = (commit.puts ?? []).map((put) => ({ ...put, tenant: tenantOf(put) ?? null }))
    const { rows } = await this.#run(
      {
        text: `select array_to_json(tenantry_registry.commit_1(
          $1::text::jsonb, $2::text::jsonb, $3::text::jsonb, $4::text::jsonb, $5::text::bigint))::text as revisions`,
        params: [
          JSON.stringify(puts),
          JSON.stringify(commit.removes ?? []),
          JSON.stringify(expectations),
          JSON.stringify(commit.audit),
          String(this.#options.maxChanges),
        ],
      },
      false,
    )
    const [row] = rows as { revisions: string }[] // the column of the statement above
    return JSON.parse(row?.revisions ?? '[]') as number[] // numbers, as the function returns them
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

function targetOf(dsn: Secret, timeoutMs: number): ConnectionTarget {
  const parsed = parseDsn(dsn.reveal())
  return {
    ...parsed,
    settings: {
      application_name: 'tenantry registry',
      ...parsed.settings,
      // Every name is qualified; what others put into `public` is never meant.
      search_path: '',
      default_transaction_isolation: 'read committed',
      default_transaction_read_only: 'off',
      statement_timeout: String(timeoutMs),
    },
  }
}

async function prepareSchema(
  target: ConnectionTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const settings = { ...target.settings, statement_timeout: String(MIGRATE_TIMEOUT_MS) }
  const opening = openConnection({ ...target, settings }, { connectTimeoutMs: timeoutMs, signal })
  const connection = await available(opening)
  const late = () => new RegistryUnavailableError(`the schema was not ready in ${MIGRATE_TIMEOUT_MS} ms`)
  const onAbort = () => connection.destroy(new RegistryUnavailableError('the opening was given up'))
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await available(within(migrate(connection), MIGRATE_TIMEOUT_MS, late))
  } finally {
    signal.removeEventListener('abort', onAbort)
    if (connection.isBusy) connection.destroy(late())
    else await connection.close()
  }
}

/** What went wrong, in the registry's words. */
async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (cause instanceof SqlError && cause.sqlstate === CONFLICT) {
      throw new RevisionConflictError(cause.fields.message, { cause })
    }
    const isOurs = [RegistryUnavailableError, RegistryTooNewError, CancelledError].some(
      (type) => cause instanceof type,
    )
    if (isOurs) throw cause
    const why = cause instanceof Error ? cause.message : 'no answer'
    throw new RegistryUnavailableError(`the management database: ${why}`, { cause })
  }
}
