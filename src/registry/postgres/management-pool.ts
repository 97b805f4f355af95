import type { Connection, ConnectionTarget, Statement, StatementResult } from '../../connection/connection.ts'
import { openConnection } from '../../connection/open.ts'
import { ConnectionLostError, OutcomeUnknownError, RegistryUnavailableError } from '../../errors.ts'
import { refuseAborted, unlessAborted } from '../abort.ts'

/** One place for a connection; it is opened when first needed and again after it was lost. */
interface Slot {
  connection: Connection | undefined
}

export interface CallOptions {
  /** The statement may run twice, so a connection found dead under it is no reason to fail. */
  readonly isRepeatable: boolean
  readonly signal?: AbortSignal | undefined
}

/**
 * A few connections to the management database, for statements that stand alone. Every call ends within
 * `timeoutMs`, whatever the server does, until `close()`.
 */
export class ManagementPool {
  readonly #target: ConnectionTarget
  readonly #timeoutMs: number
  readonly #slots: readonly Slot[]
  readonly #free: Slot[]
  readonly #waiting: ((slot: Slot) => void)[] = []
  /** Of calls under way: aborting one ends it. */
  readonly #calls = new Set<AbortController>()
  #isClosed = false

  constructor(target: ConnectionTarget, size: number, timeoutMs: number) {
    this.#target = target
    this.#timeoutMs = timeoutMs
    this.#slots = Array.from({ length: size }, () => ({ connection: undefined }))
    this.#free = [...this.#slots]
  }

  /**
   * @throws {SqlError} what Postgres says of the statement. {CancelledError} by the signal; the statement may go on.
   * @throws {RegistryUnavailableError} when there is no answer in time. What was not repeatable may have run.
   */
  async run(statement: Statement, { isRepeatable, signal }: CallOptions): Promise<StatementResult> {
    refuseAborted(signal)
    if (this.#isClosed) throw new RegistryUnavailableError('the registry is closed')
    return unlessAborted(this.#call(statement, isRepeatable), signal)
  }

  /** Ends calls under way and waits until every connection is gone. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const call of this.#calls) call.abort(new RegistryUnavailableError('the registry is closed'))
    await Promise.all(this.#slots.map((slot) => endConnection(slot)))
  }

  async #call(statement: Statement, isRepeatable: boolean): Promise<StatementResult> {
    const call = new AbortController()
    const late = () => call.abort(new RegistryUnavailableError(`no answer in ${this.#timeoutMs} ms`))
    const timer = setTimeout(late, this.#timeoutMs)
    this.#calls.add(call)
    let slot: Slot | undefined
    try {
      slot = await this.#take(call.signal)
      return await this.#runOn(slot, statement, isRepeatable, call.signal)
    } catch (error) {
      // The reason says more than what the abort made of a connection.
      throw call.signal.aborted ? call.signal.reason : error
    } finally {
      clearTimeout(timer)
      this.#calls.delete(call)
      if (slot !== undefined) this.#giveBack(slot)
    }
  }

  async #runOn(
    slot: Slot,
    statement: Statement,
    isRepeatable: boolean,
    signal: AbortSignal,
  ): Promise<StatementResult> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#connectionOf(slot, signal)
      const onAbort = () => connection.destroy(new Error('the call took too long'))
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        return await connection.run(statement)
      } catch (error) {
        const mayRepeat =
          error instanceof ConnectionLostError || (isRepeatable && error instanceof OutcomeUnknownError)
        if (!mayRepeat || attempt > 1 || signal.aborted) throw error
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    }
  }

  async #connectionOf(slot: Slot, signal: AbortSignal): Promise<Connection> {
    if (slot.connection?.isOpen) return slot.connection
    slot.connection = undefined
    slot.connection = await openConnection(this.#target, { connectTimeoutMs: this.#timeoutMs, signal })
    return slot.connection
  }

  #take(signal: AbortSignal): Promise<Slot> {
    const free = this.#free.pop()
    if (free !== undefined) return Promise.resolve(free)
    return new Promise((resolve, reject) => {
      const give = (slot: Slot) => {
        signal.removeEventListener('abort', leave)
        resolve(slot)
      }
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(give), 1)
        reject(signal.reason)
      }
      this.#waiting.push(give)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #giveBack(slot: Slot): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(slot)
    else next(slot)
  }
}

async function endConnection({ connection }: Slot): Promise<void> {
  if (connection === undefined) return
  // A busy one was destroyed by the abort of its call.
  await (connection.isBusy ? connection.closed : connection.close())
}
