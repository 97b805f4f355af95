import type { LookupFunction } from 'node:net'
import pg from 'pg'
import { openConnection } from '../../src/connection/open.ts'
import { TenantryError } from '../../src/errors.ts'
import type { Connect } from '../../src/router/route-opener.ts'
import type { World } from '../support/world.ts'

/** Reads the tenant's rows and checks that they are its own. */
export async function ownRows(world: World, tenant: string): Promise<void> {
  using lease = await world.lease(tenant)
  const { rows } = await lease.run({ text: 'select tenant from notes where id <= 20' })
  if (rows.length !== 20 || rows.some((row) => !('tenant' in row) || row.tenant !== tenant))
    throw new Error(JSON.stringify(rows))
}

export interface Outcome {
  /** The error's; `ok` where there was none. */
  readonly code: string
  readonly error: unknown
  readonly tookMs: number
}

/** How an operation ended, and how long that took. */
export async function outcome(operation: Promise<unknown>): Promise<Outcome> {
  const began = performance.now()
  const error = await operation.then(
    () => undefined,
    (reason: unknown) => (reason instanceof Error ? reason : new Error('rejected with no error')),
  )
  const code = error instanceof TenantryError ? error.code : String(error)
  return { code: error === undefined ? 'ok' : code, error, tookMs: performance.now() - began }
}

export function codesOf(outcomes: readonly Outcome[]): string[] {
  return [...new Set(outcomes.map(({ code }) => code))].sort()
}

/** The value that a part of them does not pass. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}

/** Calls, one after the other in each of the workers, until `until` says so. */
export async function hammer(
  workers: number,
  call: (worker: number) => Promise<unknown>,
  until: () => boolean,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  const work = async (worker: number) => {
    while (!until()) {
      const next = await outcome(call(worker))
      outcomes.push(next)
      // As a caller over HTTP: the event loop has its turn, also where all fails at once.
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)))
  return outcomes
}

/** For `until`: after so many milliseconds from now. */
export function forMs(ms: number): () => boolean {
  const end = performance.now() + ms
  return () => performance.now() >= end
}

/** A name service of the test's own, which counts: the router looks a name up for each connection it tries. */
export class Names {
  address = '127.0.0.1'
  /** Monotonic milliseconds. */
  readonly lookedUpAt: number[] = []
  readonly lookup: LookupFunction = (_host, { all }, answer) => {
    this.lookedUpAt.push(performance.now())
    process.nextTick(() =>
      all ? answer(null, [{ address: this.address, family: 4 }]) : answer(null, this.address, 4),
    )
  }
  readonly connect: Connect = (target, options) => openConnection({ ...target, lookup: this.lookup }, options)
}

/** Sessions beside ours, until the server has no place for a further one. */
export async function fill(dsn: string): Promise<{ leave(): Promise<void> }> {
  const clients: pg.Client[] = []
  for (;;) {
    const client = new pg.Client(dsn)
    client.on('error', () => undefined)
    try {
      await client.connect()
    } catch {
      break
    }
    clients.push(client)
  }
  return { leave: async () => void (await Promise.all(clients.map((client) => client.end()))) }
}
