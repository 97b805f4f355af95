import { setTimeout } from 'node:timers/promises'
import { ARRAY_OF } from '../../connection/builtin-arrays.ts'
import type { Trust } from '../../connection/connection.ts'
import { CLOSE, PostgresError, stockTransform } from '../../connection/driver.ts'
import type { ReservedSql, Sql } from '../../connection/sql.ts'
import { UnsupportedError } from '../../errors.ts'
import { inLeaseContext } from '../scheduling/lease-context.ts'
import type { ConnectionSource } from './connection-source.ts'
import { runHolding } from './enclosure.ts'
import { EndableSource } from './endable-source.ts'
import { ExclusiveSource } from './exclusive-source.ts'
import { HandleTypes } from './handle-types.ts'
import { StatementRunner } from './statement-runner.ts'
import { createTag } from './tag.ts'
import { Transaction, type TransactionBody } from './transaction.ts'

export interface SqlOptions {
  /** Whose SQL the handle runs. That of tenants (`foreign`) leaves no prepared statements. Default: application. */
  readonly trust?: Trust
}

/**
 * A handle that is used as postgres.js's own `sql`, also by Drizzle and Kysely, and takes its connections
 * from `source`: one for each statement, transaction and reservation. It holds nothing in between, so it
 * needs no closing; `sql.end()` detaches this handle alone.
 */
export function createSql(source: ConnectionSource, options: SqlOptions = {}): Sql {
  return createHandle(source, new HandleTypes(), options.trust ?? 'application')
}

/** A reservation shares the types of the handle that it was made with: ORMs write theirs there. */
function createHandle(from: ConnectionSource, types: HandleTypes, trust: Trust): Sql {
  const source = new EndableSource(from)
  const transact = async (mode: string, body: TransactionBody) => {
    const held = await source.hold()
    try {
      return await runHolding(from, () => new Transaction(held, types, trust).run(mode, body))
    } finally {
      held.release()
    }
  }
  // A scoped use: a statement of an outer handle inside the body asks for a further connection.
  const begin = (...call: [string, TransactionBody] | [TransactionBody]) =>
    inLeaseContext(() => (call.length === 2 ? transact(...call) : transact('', call[0])))
  const end = (options: { timeout?: number } = {}) => atMost(options.timeout, source.end())
  const members = {
    begin,
    reserve: () => reserve(source, types, trust),
    end,
    close: end,
    options: handleOptions(types),
    PostgresError,
    CLOSE,
    END: CLOSE,
    ...UNSUPPORTED,
  }
  const sql = Object.assign(createTag(new StatementRunner(source, types, trust)), members)
  Object.defineProperty(sql, 'parameters', { get: () => source.parameters, enumerable: true })
  // The driver's own type of a handle, which its own untyped code does not check either.
  return sql as unknown as Sql
}

async function reserve(source: ConnectionSource, types: HandleTypes, trust: Trust): Promise<ReservedSql> {
  const held = await source.hold()
  const own = new ExclusiveSource(held.connection, held)
  const release = () => void own.close().then(() => held.release())
  return Object.assign(createHandle(own, types, trust), { release })
}

const ownConnection = 'it needs a connection for itself; open one beside the router with postgres.js'
const UNSUPPORTED = {
  listen: unsupported('sql.listen', ownConnection),
  subscribe: unsupported('sql.subscribe', ownConnection),
  largeObject: unsupported('sql.largeObject', 'use bytea, or the lo_ functions in one sql.begin'),
}

function unsupported(what: string, alternative: string): () => never {
  return () => {
    throw new UnsupportedError(what, alternative)
  }
}

/** As postgres.js shows them, without an address: a handle has none. */
function handleOptions({ parsers, serializers }: HandleTypes) {
  const shared = { typeArrayMap: ARRAY_OF }
  return Object.freeze({
    max: 1,
    prepare: true,
    types: {},
    transform: stockTransform,
    shared,
    parsers,
    serializers,
  })
}

async function atMost(seconds: number | undefined, work: Promise<void>): Promise<void> {
  if (seconds === undefined) return work
  const timer = new AbortController()
  const timeout = setTimeout(seconds * 1_000, undefined, { signal: timer.signal }).catch(() => {})
  await Promise.race([work, timeout])
  timer.abort()
}
