import type { Connection, Trust } from '../../connection/connection.ts'
import type { QueryInternals } from '../../connection/driver.ts'
import type { DriverQuery } from '../../connection/driver-query.ts'
import { canDispatch } from '../../connection/sql-connection.ts'
import { UnsupportedError } from '../../errors.ts'
import type { ConnectionSource, HeldConnection } from './connection-source.ts'
import type { HandleTypes } from './handle-types.ts'

/** One statement from the moment it is awaited until its connection is free again. */
interface Running {
  /** Ends its wait for a connection. */
  giveUp?: AbortController
  connection?: Connection
}

/** Controllers that were not needed: a new one costs as much as a tenth of a statement. */
const spare: AbortController[] = []

/**
 * Runs the statements of one handle: takes a connection for each, and gives it back when the statement has
 * really ended (a cursor or a COPY settles long before).
 */
export class StatementRunner {
  readonly #source: ConnectionSource
  readonly #types: HandleTypes
  readonly #trust: Trust
  readonly #observe: ((query: QueryInternals) => void) | undefined
  readonly #running = new WeakMap<QueryInternals, Running>()

  /** @param observe sees each statement before it runs. */
  constructor(
    source: ConnectionSource,
    types: HandleTypes,
    trust: Trust,
    observe?: (query: QueryInternals) => void,
  ) {
    this.#source = source
    this.#types = types
    this.#trust = trust
    this.#observe = observe
  }

  /** The driver calls this once for a statement that is awaited, and cannot bear it to throw. */
  readonly run = (query: QueryInternals): void => {
    this.#observe?.(query)
    // Parse boundary: `createTag` makes no others.
    if (!query.cancelled) void this.#run(query as DriverQuery)
  }

  /** The driver calls this when the user cancels a statement, awaited or not. */
  readonly cancel = (query: QueryInternals): void => {
    const running = this.#running.get(query)
    if (running?.connection) {
      // The connection is not free before this has ended, so it hits nothing else.
      void running.connection.cancel()
      return
    }
    query.cancelled = true
    query.reject(cancelledByUser())
    running?.giveUp?.abort()
  }

  async #run(query: DriverQuery): Promise<void> {
    const running: Running = {}
    this.#running.set(query, running)
    try {
      const held = await this.#hold(running)
      try {
        if (query.cancelled) return
        running.connection = held.connection
        await this.#dispatch(query, held)
      } finally {
        // Before the release: a late cancel would hit the connection's next statement.
        this.#running.delete(query)
        held.release()
      }
    } catch (error) {
      query.reject(error)
    }
  }

  async #hold(running: Running): Promise<HeldConnection> {
    const giveUp = spare.pop() ?? new AbortController()
    running.giveUp = giveUp
    try {
      return await this.#source.hold(giveUp.signal)
    } finally {
      delete running.giveUp
      if (!giveUp.signal.aborted) spare.push(giveUp)
    }
  }

  #dispatch(query: DriverQuery, { connection, maxBytes }: HeldConnection): Promise<void> {
    if (!canDispatch(connection))
      throw new UnsupportedError('an sql handle on a connection of another driver', 'use lease.run')
    const profile = this.#types.profile()
    if (this.#trust === 'foreign' || !this.#types.maySavePlans) query.options.prepare = false
    // One statement, whatever its text says: only the simple protocol runs several.
    if (this.#trust === 'foreign' && !query.streaming) query.options.simple = false
    return connection.dispatch(query, profile, maxBytes === undefined ? {} : { maxBytes })
  }
}

/** What postgres.js rejects a cancelled statement with that it has not sent. */
function cancelledByUser(): Error {
  return Object.assign(new Error('57014: canceling statement due to user request'), { code: '57014' })
}
