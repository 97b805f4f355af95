import { InternalError, TenantryError } from '../../errors.ts'
import type { ServerRecord } from '../../registry/server-record.ts'
import { within } from '../../registry/within.ts'
import type { TenantRecord } from '../../tenant/tenant-record.ts'
import type { CloseReason, EventHub } from '../events.ts'
import { cancelUntilQuiet } from './quiet.ts'
import type { Slot } from './slot.ts'

/** A backend whose socket is gone and which may live on. */
export interface Suspect {
  readonly pid: number
  /** What it was opened as and in. */
  readonly role: string
  readonly database: string
  /** It is at least as old as that: monotonic milliseconds. */
  readonly openedAt: number
  readonly server: ServerRecord
  /** By whose route to log in and look: the record it was opened by, or a newer one of the same server. */
  readonly record: TenantRecord
  /** The server's record leads elsewhere by now, or is gone: that nobody answers there says nothing of the server. */
  readonly isFormer?: boolean
}

/** Whether the server has let go of the backend; false or an error: ask again later. Does nothing once aborted. */
export type ConfirmGone = (suspect: Suspect, signal: AbortSignal) => Promise<boolean>

/** What the last user left has this long to be cleaned. */
const CLEAN_MS = 2_000
const EVIDENCE_FIRST_MS = 100
const EVIDENCE_MAX_MS = 1_000
/**
 * Where nobody is let in to look (suspended, deleted, another password), no evidence ever comes, and a permit
 * kept for ever would be lost to every other tenant. Postgres itself ends a statement whose client has gone within
 * `client_connection_check_interval`, 500 ms (startup-settings.ts), unless its session has switched that off, and an
 * idle backend when it is told; only where neither happens has the server more connections than the budget says.
 */
const REFUSED_MAX_MS = 60_000
/** Of errors that say: this login leads nowhere, however often it is tried. */
const REFUSALS: ReadonlySet<string> = new Set(['login_failed', 'sealing_failed', 'unsupported'])

/**
 * How connections leave: cleaned for the next user, closed, or destroyed. One that ended and whose server did not
 * show that it let go keeps its permit of server and tenant, as `quarantined`, until the server is seen to have done
 * so, or for a time where nobody is let in to see it.
 */
export class Retirement {
  readonly #confirmGone: ConfirmGone
  readonly #events: EventHub
  readonly #onGone: (slot: Slot) => void
  readonly #waits = new Map<Slot, { readonly since: number; timer: NodeJS.Timeout | undefined }>()
  readonly #abandoned = new AbortController()

  constructor(confirmGone: ConfirmGone, events: EventHub, onGone: (slot: Slot) => void) {
    this.#confirmGone = confirmGone
    this.#events = events
    this.#onGone = onGone
  }

  /**
   * Ends the last lease in the connection.
   * @param reason what a statement that still runs rejects with, where the lease did not end by its user.
   * @returns whether the next one may have it.
   */
  async clean(slot: Slot, quiet: Promise<void>, reason?: Error): Promise<boolean> {
    const { connection } = slot
    try {
      await cancelUntilQuiet(connection, quiet, reason)
      await within(connection.clean(slot.trust), CLEAN_MS, late('cleaning'))
      return connection.isOpen && slot.state === 'cleaning'
    } catch (error) {
      if (connection.isBusy) this.#destroy(slot, 'unclean', error instanceof Error ? error : undefined)
      else this.close(slot, 'unclean')
      return false
    }
  }

  /** Closes a connection that nobody uses. */
  close(slot: Slot, reason: CloseReason): void {
    if (!slot.isLive) return
    slot.pool.removeIdle(slot)
    slot.become('closing')
    slot.closeReason ??= reason
    slot.connection.close().catch((error: Error) => slot.connection.destroy(error))
  }

  /** Closes what nobody uses and is to be replaced: it has lived its life, or holds too many statements. */
  closeIfWorn(slot: Slot, maxStatements: number): boolean {
    const reason = slot.wornOut(maxStatements)
    if (reason) this.close(slot, reason)
    return reason !== undefined
  }

  /** To be called when a slot's socket has closed, for whatever reason. */
  socketClosed(slot: Slot): void {
    slot.closeReason ??= 'lost'
    const { pool, connection } = slot
    this.#events.emit('closed', {
      tenant: pool.id,
      server: pool.server.id,
      pid: connection.pid,
      reason: slot.closeReason,
    })
    if (connection.mayLiveOn) this.#quarantine(slot)
    else this.#leave(slot)
  }

  /** To be called when a slot could not be opened: a state other than `opening` says what it left behind. */
  openFailed(slot: Slot): void {
    if (slot.state !== 'opening') return this.#quarantine(slot)
    slot.letGo()
  }

  /** Ends the search for evidence and gives back every permit that waits for it: the process ends, and its counts. */
  abandonEvidence(): void {
    this.#abandoned.abort()
    for (const [slot, wait] of this.#waits) {
      clearTimeout(wait.timer)
      this.#endQuarantine(slot)
    }
  }

  #leave(slot: Slot): void {
    slot.become('closing')
    this.#onGone(slot)
  }

  #quarantine(slot: Slot): void {
    if (this.#abandoned.signal.aborted) return this.#leave(slot)
    slot.become('quarantined')
    this.#waits.set(slot, { since: performance.now(), timer: undefined })
    void this.#seekEvidence(slot, EVIDENCE_FIRST_MS)
  }

  #destroy(slot: Slot, reason: CloseReason, cause: Error | undefined): void {
    if (!slot.isLive) return
    slot.become('closing')
    slot.closeReason ??= reason
    slot.connection.destroy(cause ?? new InternalError('a connection could not be cleaned'))
  }

  async #seekEvidence(slot: Slot, againInMs: number): Promise<void> {
    const { signal } = this.#abandoned
    const answer = await this.#confirmGone(suspectIn(slot), signal).catch((error: unknown) => {
      return error instanceof TenantryError && REFUSALS.has(error.code) ? 'refused' : false
    })
    const wait = this.#waits.get(slot)
    if (!wait) return
    const isOver = answer === 'refused' && performance.now() - wait.since >= REFUSED_MAX_MS
    if (answer === true || isOver) this.#endQuarantine(slot)
    else {
      const nextMs = Math.min(againInMs * 2, EVIDENCE_MAX_MS)
      wait.timer = setTimeout(() => void this.#seekEvidence(slot, nextMs), againInMs)
    }
  }

  #endQuarantine(slot: Slot): void {
    if (this.#waits.delete(slot)) this.#onGone(slot)
  }
}

function suspectIn({ pool, connection }: Slot): Suspect {
  const { record, server } = pool
  const { role, database } = record.route
  return { pid: connection.pid, openedAt: connection.openedAt, role, database, server, record }
}

function late(what: string): () => Error {
  return () => new InternalError(`${what} took too long on a connection that was given back`)
}
