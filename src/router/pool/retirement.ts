import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection } from '../../connection/connection.ts'
import { InternalError } from '../../errors.ts'
import { within } from '../../registry/within.ts'
import type { CloseReason, EventHub } from '../events.ts'
import type { Slot } from './slot.ts'
import type { TenantPool } from './tenant-pool.ts'

/** Whether the server has let go of the backend; false or an error: ask again later. */
export type ConfirmGone = (pool: TenantPool, pid: number) => Promise<boolean>

/** A cancelled statement has this long to end, before its connection is destroyed. */
const CANCEL_MS = 500
const CANCEL_AGAIN_MS = 50
/** What the last user left has this long to be cleaned. */
const CLEAN_MS = 2_000
const EVIDENCE_FIRST_MS = 100
const EVIDENCE_MAX_MS = 1_000

/**
 * How connections leave: cleaned for the next user, closed, or destroyed. A connection destroyed under a
 * statement keeps its permit, as `quarantined`, until its server is seen to have let go of the backend.
 */
export class Retirement {
  readonly #confirmGone: ConfirmGone
  readonly #events: EventHub
  readonly #onGone: (slot: Slot) => void
  readonly #waits = new Map<Slot, { timer: NodeJS.Timeout | undefined }>()
  #isAbandoned = false

  constructor(confirmGone: ConfirmGone, events: EventHub, onGone: (slot: Slot) => void) {
    this.#confirmGone = confirmGone
    this.#events = events
    this.#onGone = onGone
  }

  /** Ends the last lease in the connection. @returns whether the next one may have it. */
  async clean(slot: Slot, quiet: Promise<void>): Promise<boolean> {
    const { connection } = slot
    try {
      await within(cancelUntilQuiet(connection, quiet), CANCEL_MS, late('the last statement'))
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
    if (slot.state === 'closing' || slot.state === 'quarantined') return
    slot.state = 'closing'
    slot.closeReason ??= reason
    slot.connection.close().catch((error: Error) => slot.connection.destroy(error))
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
    if (!connection.mayLiveOn || this.#isAbandoned) {
      slot.state = 'closing'
      this.#onGone(slot)
      return
    }
    slot.state = 'quarantined'
    this.#waits.set(slot, { timer: undefined })
    void this.#seekEvidence(slot, EVIDENCE_FIRST_MS)
  }

  /** Gives back every permit that waits for evidence: the process ends, and its counts with it. */
  abandonEvidence(): void {
    this.#isAbandoned = true
    for (const [slot, wait] of this.#waits) {
      clearTimeout(wait.timer)
      this.#endQuarantine(slot)
    }
  }

  #destroy(slot: Slot, reason: CloseReason, cause: Error | undefined): void {
    slot.state = 'closing'
    slot.closeReason ??= reason
    slot.connection.destroy(cause ?? new InternalError('a connection could not be cleaned'))
  }

  async #seekEvidence(slot: Slot, againInMs: number): Promise<void> {
    const isGone = await this.#confirmGone(slot.pool, slot.connection.pid).catch(() => false)
    const wait = this.#waits.get(slot)
    if (!wait) return
    if (isGone) this.#endQuarantine(slot)
    else {
      const nextMs = Math.min(againInMs * 2, EVIDENCE_MAX_MS)
      wait.timer = setTimeout(() => void this.#seekEvidence(slot, nextMs), againInMs)
    }
  }

  #endQuarantine(slot: Slot): void {
    if (this.#waits.delete(slot)) this.#onGone(slot)
  }
}

/** A cancel that reaches the server before its statement does nothing, so it is sent again. */
async function cancelUntilQuiet(connection: Connection, quiet: Promise<void>): Promise<void> {
  let isQuiet = false
  const settled = quiet.then(() => {
    isQuiet = true
  })
  while (!isQuiet && connection.isOpen) {
    if (connection.isBusy) await connection.cancel()
    await Promise.race([settled, sleep(CANCEL_AGAIN_MS)])
  }
}

function late(what: string): () => Error {
  return () => new InternalError(`${what} took too long on a connection that was given back`)
}
