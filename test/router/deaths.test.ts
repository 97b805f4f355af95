import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { describe, expect, it } from 'vitest'
import { TenantryError } from '../../src/errors.ts'
import type { Lease } from '../../src/router/lease.ts'
import type { Connect } from '../../src/router/route-opener.ts'
import { openPgConnection } from '../support/pg-login.ts'
import { unhandledIn } from '../support/unhandled.ts'
import { startWorld, type World } from '../support/world.ts'

const KILLS = 100
const OPERATIONS_A_KILL = 4
const WORKERS = 12
const TENANTS = ['acme', 'globex', 'initech', 'umbrella']
const ADAPTERS: readonly (readonly [string, Connect | undefined])[] = [
  ['postgres.js', undefined],
  ['pg', openPgConnection],
]

/** What a worker saw of one lease. */
interface Operation {
  readonly pid: number
  readonly failure: string | undefined
}

/** Mixed load, and all that came of it. */
class Load {
  readonly world: World
  readonly operations: Operation[] = []
  /** Backends under a statement that nothing but their death ends. */
  readonly asleep: number[] = []
  /** Leases that were not given, and answers that were not right. */
  readonly faults: string[] = []
  isOver = false
  hasEnded = false

  constructor(world: World) {
    this.world = world
  }

  async work(isSleeper: boolean): Promise<void> {
    while (!this.isOver) {
      const tenant = TENANTS[Math.floor(Math.random() * TENANTS.length)] ?? 'acme'
      const lease = await this.world
        .lease(tenant)
        .catch((error: unknown) => this.faults.push(`lease: ${String(error)}`))
      if (typeof lease === 'number') continue
      const { pid } = lease.connection
      const work = isSleeper ? this.#sleep(lease) : any([readPid, transact, rest])(lease)
      const failure = await work.then(
        () => undefined,
        (error: unknown) => (error instanceof TenantryError ? error.code : `${tenant}: ${String(error)}`),
      )
      lease.release()
      this.operations.push({ pid, failure })
    }
  }

  async #sleep(lease: Lease): Promise<void> {
    const sleep = lease.run({ text: 'select pg_sleep(60)' })
    this.asleep.push(lease.connection.pid)
    await sleep
  }
}

const any = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)] as T // it is never empty

async function readPid(lease: Lease): Promise<void> {
  const { rows } = await lease.run({
    text: 'select pg_backend_pid() as pid, $1::text as word',
    params: ['ü'],
  })
  expect(rows).toEqual([{ pid: lease.connection.pid, word: 'ü' }])
}

/** Asks at each statement where it is. */
async function transact(lease: Lease): Promise<void> {
  const { pid } = lease.connection
  await lease.run({ text: 'begin' })
  // In one order for all, or two of them could wait for each other's rows: a deadlock is no death.
  const ids = Array.from({ length: 4 }, () => Math.ceil(Math.random() * 20)).sort((a, b) => a - b)
  for (const id of ids) {
    const text = 'update notes set body = body where id = $1 returning pg_backend_pid() as pid'
    expect((await lease.run({ text, params: [id] })).rows).toEqual([{ pid }])
  }
  await lease.run({ text: 'commit' })
}

async function rest(lease: Lease): Promise<void> {
  await lease.run({ text: 'select pg_sleep(0.01)' })
}

/** Whether there was such a backend to end. */
async function kill(client: pg.Client, pid: number): Promise<boolean> {
  const { rows } = await client.query('select pg_terminate_backend($1) as signalled', [pid])
  return rows[0]?.signalled === true
}

/** Ends backends until there were enough, by turns one that is surely under a statement, and any. */
async function killMany(load: Load, open: ReadonlySet<number>, client: pg.Client) {
  const killed = new Map<number, 'asleep' | 'any'>()
  for (let turn = 0; killed.size < KILLS; turn++) {
    // Most of the load is to get through.
    while (load.operations.length < killed.size * OPERATIONS_A_KILL) await delay(1)
    const sleeper = turn % 2 === 0 ? load.asleep.shift() : undefined
    const pid = sleeper ?? any([...open])
    if (pid === undefined || killed.has(pid)) await delay(1)
    else if (await kill(client, pid)) killed.set(pid, sleeper === undefined ? 'any' : 'asleep')
  }
  return killed
}

describe.each(ADAPTERS)('%s: a hundred deaths of backends under mixed load', (_, connect) => {
  it('fail one operation each at most, hang none, and leave no transaction over two backends', async () => {
    await using world = await startWorld(TENANTS, { maxConnections: 8, ...(connect ? { connect } : {}) })
    const open = new Set<number>()
    world.router.on('opened', ({ pid }) => open.add(pid))
    world.router.on('closed', ({ pid }) => open.delete(pid))
    const client = await world.server.connect()
    const load = new Load(world)
    let killed = new Map<number, 'asleep' | 'any'>()
    const unhandled = await unhandledIn(async () => {
      const working = Promise.all(Array.from({ length: WORKERS }, (_, n) => load.work(n < 3)))
      killed = await killMany(load, open, client)
      load.isOver = true
      void working.finally(() => {
        load.hasEnded = true
      })
      while (!load.hasEnded) {
        const sleeper = load.asleep.shift()
        if (sleeper === undefined) await delay(1)
        else if (await kill(client, sleeper)) killed.set(sleeper, 'asleep')
      }
    })
    await client.end()

    expect(unhandled).toEqual([])
    expect(load.faults).toEqual([])
    const failed = load.operations.filter(({ failure }) => failure !== undefined)
    for (const { pid, failure } of failed) {
      expect(failure).toMatch(/^(outcome_unknown|connection_lost)$/)
      expect(killed.has(pid)).toBe(true)
    }
    for (const [pid, how] of killed) {
      const hit = failed.filter((operation) => operation.pid === pid).length
      expect(hit).toBeLessThanOrEqual(1)
      expect(hit).toBeGreaterThanOrEqual(how === 'asleep' ? 1 : 0)
    }
    expect(load.operations.length - failed.length).toBeGreaterThan(KILLS)
  }, 60_000)
})
