import { AsyncResource } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import pg, { type CustomTypesConfig } from 'pg'
import TypeOverrides from 'pg/lib/type-overrides.js'
import { LeaseReleasedError, UnsupportedError } from '../errors.ts'
import type { Lease } from '../router/lease.ts'
import { isSubmittable, queryCall, refuse } from './query-call.ts'
import { StatementQueue } from './statement-queue.ts'

/** What a client needs of its pool. */
export interface Home {
  /** The options that the pool itself hands to its clients. */
  readonly config: object
  readonly types: CustomTypesConfig | undefined
  /** For the tenant of the pool, or the one that is ambient now. */
  lease(): Promise<Lease>
}

type Done = (error?: Error | null) => void
type Release = (error?: Error | boolean | null) => void

const STATUS = { idle: 'I', open: 'T', failed: 'E' } as const

/**
 * What `pg` calls a client, on one lease: from `connect()` until it is released, its lease is over or its connection
 * lost. It then tells listeners of `error`, if there are any: a server that ends a session must not end the process.
 */
export class TenantClient extends EventEmitter {
  readonly #home: Home
  readonly #config: object
  readonly #context = new AsyncResource('TenantryPgClient')
  readonly #types: InstanceType<typeof TypeOverrides>
  #lease: Lease | undefined
  #queue: StatementQueue | undefined
  #ending: Promise<void> | undefined
  #giveBack: Release = () => {}
  /** The pool has it back because its lease was over, which its user need not know yet. */
  #wasTaken = false
  #isDiscarded = false
  readonly #release: Release = (error) => {
    if (this.#wasTaken) {
      this.#wasTaken = false
      return
    }
    // Knex 3.3 gives back twice what it streamed from, where nobody would catch an error (runner.js).
    if (this.#ending && '__knexUid' in this) return
    if (error === true) this.#isDiscarded = true
    this.#giveBack(error)
  }

  readonly escapeIdentifier = pg.escapeIdentifier
  readonly escapeLiteral = pg.escapeLiteral

  /** Made by the pool. */
  constructor(home: Home, config: object) {
    super()
    this.#home = home
    this.#config = config
    this.#types = new TypeOverrides(home.types)
  }

  /** Takes the lease. Without a callback: a promise. */
  connect(done?: Done): Promise<this> | undefined {
    return settle(
      this.#connect().then(() => this),
      done,
    )
  }

  /** In all the forms of `pg`, but for what submits itself. Several at once run one after the other. */
  query(query: unknown, values?: unknown, callback?: unknown): unknown {
    if (isSubmittable(query)) return refuse(query, callback ?? values)
    const call = queryCall(query, values, callback)
    return settle(this.#running().run(call), call.callback)
  }

  /** Gives the lease back when what was asked for has been answered. Safe to call again. */
  end(done?: Done): Promise<void> | undefined {
    this.#ending ??= this.#end()
    return settle(this.#ending, done)
  }

  /** Once; `true` closes the connection, which is otherwise cleaned and lent again. The pool sets what it does. */
  get release(): Release {
    return this.#release
  }

  set release(giveBack: Release) {
    this.#giveBack = giveBack
  }

  /** Of the server's process; null before it is connected. */
  get processID(): number | null {
    return this.#lease?.isOver === false ? this.#lease.connection.pid : null
  }

  getTransactionStatus(): 'I' | 'T' | 'E' | null {
    return this.#lease?.isOver === false ? STATUS[this.#lease.connection.transaction] : null
  }

  setTypeParser(...args: Parameters<InstanceType<typeof TypeOverrides>['setTypeParser']>): void {
    this.#types.setTypeParser(...args)
  }

  getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
    return this.#types.getTypeParser(oid, format)
  }

  async #connect(): Promise<void> {
    if (this.#config !== this.#home.config)
      throw new UnsupportedError(
        'a further pool or client from the options of a TenantPool',
        'make a TenantPool of its own; what works on other databases connects beside the router',
      )
    const lease = await this.#home.lease()
    this.#lease = lease
    this.#queue = new StatementQueue(lease, this.#types, {
      // Later, since the answer is still being read.
      onNotice: (notice) => process.nextTick(() => this.#tell('notice', notice)),
      onDrained: () => this.#tell('drain'),
    })
    lease.onTaken = (error) => void this.#lose(error)
  }

  #running(): StatementQueue {
    if (!this.#queue) throw new LeaseReleasedError('a statement on a client that was not connected')
    return this.#queue
  }

  /** At once where nothing runs: whoever asks for a connection next may have this one. */
  #end(): Promise<void> {
    const quiet = this.#queue?.close()
    if (quiet) return quiet.then(() => this.#letGo())
    this.#letGo()
    return Promise.resolve()
  }

  #letGo(): void {
    if (this.#isDiscarded) this.#lease?.discard()
    else this.#lease?.release()
    this.#tell('end')
  }

  /** The lease is over, or its connection lost: the statements on it tell so first. */
  async #lose(error: Error): Promise<void> {
    if (this.#ending) return
    await this.#queue?.quiet()
    // After the callbacks of the statements, which know more than that the connection has gone.
    await nextTurn()
    if (this.#ending) return
    this.#tell('error', error)
    if (this.#ending) return
    this.#giveBack(error)
    this.#wasTaken = true
  }

  /** Nobody need listen, not even to `error`. Listeners run in the async context, and so as the tenant, of whoever connected. */
  #tell(event: string, ...told: unknown[]): void {
    if (this.listenerCount(event) > 0) this.#context.runInAsyncScope(() => this.emit(event, ...told))
  }
}

/** As pg: what a callback throws is nobody's to catch. */
function settle<T>(work: Promise<T>, callback: ((error: Error | null, value?: T) => void) | undefined) {
  if (!callback) return work
  work.then(
    (value) => process.nextTick(callback, null, value),
    (error: Error) => process.nextTick(callback, error),
  )
  return undefined
}
