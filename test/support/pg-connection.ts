import type {
  Connection,
  ConnectionTarget,
  Residue,
  Statement,
  StatementResult,
  Trust,
} from '../../src/connection/connection.ts'
import { type OwnTypes, ownTypesOf } from '../../src/connection/own-types.ts'
import { cleaningCommands, whyUnusable } from '../../src/connection/residue.ts'
import { type LookupSession, lookUpTypes } from '../../src/connection/type-lookup.ts'
import { driverProfile } from '../../src/connection/type-profile.ts'
import { CancelledError, InternalError, InvalidRequestError } from '../../src/errors.ts'
import { PgBackend } from './pg-backend.ts'
import { hasStalePlan, isQueryCanceled, pgError } from './pg-error.ts'
import type { PgLogin } from './pg-login.ts'
import { type NamedStatement, PgStatement } from './pg-statement.ts'

const CLEAN_TIMEOUT_MS = 5_000
const MAX_PARAMETERS = 65_533

/**
 * The second `Connection`: over `pg`. It shows that nothing above the port rests on postgres.js, except the
 * `sql` handles, and is the way out should that driver stop.
 */
export class PgConnection implements Connection {
  readonly pid: number
  readonly openedAt = performance.now()
  readonly closed: Promise<void>
  readonly parameters: Readonly<Record<string, string>>
  readonly #backend: PgBackend
  readonly #types: OwnTypes
  readonly #session: LookupSession
  /** By text and parameter types, as the driver of the first adapter keeps them. */
  readonly #named = new Map<string, NamedStatement>()
  #isBusy = false
  #wasCancelled = false
  #preparedStatements = 0

  /** Takes the socket over. */
  constructor(login: PgLogin, target: ConnectionTarget) {
    this.pid = login.key.pid
    this.parameters = login.parameters
    this.#backend = new PgBackend(login, target)
    this.#types = ownTypesOf(target.typesKey)
    const { watch } = this.#backend
    this.#session = { watch, command: (text) => this.#command(text) }
    this.closed = this.#backend.closed
  }

  get isOpen(): boolean {
    return this.#backend.isOpen
  }

  get mayLiveOn(): boolean {
    return this.#backend.mayLiveOn
  }

  get isBusy(): boolean {
    return this.#isBusy
  }

  get transaction(): 'idle' | 'open' | 'failed' {
    return this.#backend.watch.transaction
  }

  get residue(): Residue {
    return this.#backend.watch.residue
  }

  get hasRefusedWrite(): boolean {
    return this.#backend.watch.hasRefusedWrite
  }

  get preparedStatements(): number {
    return this.#preparedStatements
  }

  async run(statement: Statement): Promise<StatementResult> {
    refuseUnsendable(statement)
    return this.#exclusively(async () => {
      try {
        return await this.#send(statement)
      } catch (error) {
        if (this.#wasCancelled && isQueryCanceled(error))
          throw new CancelledError('the statement was cancelled')
        throw pgError(error)
      }
    })
  }

  cancel(reason?: Error): Promise<void> {
    if (this.#backend.isRunning) this.#wasCancelled = true
    return this.#backend.cancel(reason)
  }

  async clean(trust: Trust): Promise<void> {
    const late = () => this.destroy(new Error(`cleaning took over ${CLEAN_TIMEOUT_MS} ms`))
    const timer = setTimeout(late, CLEAN_TIMEOUT_MS)
    try {
      await this.#exclusively(() => this.#clean(trust))
    } catch (error) {
      throw pgError(error)
    } finally {
      clearTimeout(timer)
    }
  }

  async close(): Promise<void> {
    if (this.#isBusy) throw new InternalError('close() of a busy connection')
    await this.#backend.close()
  }

  destroy(cause: Error): void {
    this.#backend.destroy(cause)
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isBusy) throw new InternalError('a second statement on a busy connection')
    if (!this.isOpen) throw this.#backend.lost()
    this.#isBusy = true
    this.#wasCancelled = false
    try {
      return await work()
    } finally {
      if (this.isOpen && this.#backend.cancelling) await this.#backend.cancelling
      this.#isBusy = false
    }
  }

  async #send(statement: Statement): Promise<StatementResult> {
    const profile = statement.profile ?? driverProfile
    const isNamed = statement.prepare !== false && !statement.multiple
    const known = isNamed ? this.#nameOf(statement.text) : undefined
    const wasKnown = known?.types !== undefined
    const query = new PgStatement(statement, profile, known)
    try {
      await this.#backend.send(query, statement)
    } catch (error) {
      if (!wasKnown || !hasStalePlan(error, this.#backend.watch)) throw error
      this.#named.delete(statement.text)
      return await this.#send(statement)
    } finally {
      // Whether the server has it by that name is not known.
      if (known && !known.types) this.#named.delete(statement.text)
    }
    const { tag } = this.#backend.watch
    const own = query.typesOfArrays().filter((type) => !profile.parsers[type])
    await this.#lookUp(own)
    const rows = query.values((type) => profile.parsers[type] ?? this.#types.parserOf(type, profile))
    return { rows, fields: query.fields, command: tag.command, rowCount: tag.rowCount }
  }

  #nameOf(text: string): NamedStatement {
    const known = this.#named.get(text)
    if (known) return known
    this.#preparedStatements++
    const named: NamedStatement = { name: `tenantry_${this.#preparedStatements}`, types: undefined }
    this.#named.set(text, named)
    return named
  }

  async #lookUp(types: readonly number[]): Promise<void> {
    const { watch } = this.#backend
    if (watch.mayHaveChangedTypes) this.#types.forget()
    watch.mayHaveChangedTypes = false
    await lookUpTypes(this.#types, types, this.#session)
  }

  async #command(text: string): Promise<readonly unknown[]> {
    const query = new PgStatement({ text, multiple: true }, driverProfile)
    await this.#backend.send(query, {})
    return query.values((type) => driverProfile.parsers[type])
  }

  async #clean(trust: Trust): Promise<void> {
    const { watch } = this.#backend
    const evidence = {
      transaction: watch.transaction,
      residue: watch.residue,
      hasLoaded: watch.hasLoaded,
      preparedStatements: this.#preparedStatements,
    }
    const why = whyUnusable(trust, evidence)
    if (why) throw this.#backend.unclean(why)
    for (const command of cleaningCommands(trust, evidence)) await this.#command(command)
    if (this.transaction !== 'idle') throw this.#backend.unclean('a transaction is still open')
    watch.forget()
  }
}

/** @throws {InvalidRequestError} for what the protocol cannot carry. */
function refuseUnsendable({ text, params = [], multiple = false }: Statement): void {
  if (text.includes('\0')) throw new InvalidRequestError('A statement may not hold a NUL character.')
  if (multiple && params.length > 0)
    throw new InvalidRequestError('Several statements in one text take no parameters.')
  if (params.includes(undefined)) throw new InvalidRequestError('A parameter is undefined.')
  if (params.length > MAX_PARAMETERS)
    throw new InvalidRequestError('A statement takes 65,533 parameters at most.')
}
