import { afterEach, expect, it, vi } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

afterEach(() => vi.restoreAllMocks())

/** How old the tenant's connection is when it is replaced, in milliseconds. */
async function lifeOf(world: World): Promise<number> {
  const lease = await world.lease('acme')
  const { openedAt, closed } = lease.connection
  lease.release()
  await closed
  return performance.now() - openedAt
}

it('lives ten percent shorter or longer than its maximum, so that many do not end at once', async () => {
  await using world = await startWorld(['acme'], { maxConnectionLifetimeMs: 500, poolIdleTimeoutMs: 3_000 })
  vi.spyOn(Math, 'random').mockReturnValue(0)
  expect(await lifeOf(world)).toBeGreaterThan(449)
  vi.spyOn(Math, 'random').mockReturnValue(0.999)
  expect(await lifeOf(world)).toBeGreaterThan(548)
})

it('is not replaced for statements that have no name, as those of foreign SQL', async () => {
  await using world = await startWorld(['acme'], { maxStatementsPerConnection: 5 })
  const pids = new Set<number>()
  for (let n = 0; n < 4; n++) {
    using lease = await world.lease('acme', { trust: 'foreign' })
    pids.add(lease.connection.pid)
    for (let i = 0; i < 5; i++)
      await lease.run({ text: `select ${n * 5 + i}, $1::int as n`, params: [1], prepare: true })
    const { rows } = await lease.run({ text: 'select count(*)::int as n from pg_prepared_statements' })
    expect(rows).toEqual([{ n: 0 }])
  }
  expect(pids.size).toBe(1)
})

it('is never replaced while it is leased, however many statements it holds', async () => {
  await using world = await startWorld(['acme'], { maxStatementsPerConnection: 5 })
  using lease = await world.lease('acme')
  for (let i = 0; i < 20; i++) await lease.run({ text: `select ${i} as n` })
  expect(lease.connection.preparedStatements).toBe(20)
  const { closed } = lease.connection
  lease.release()
  await closed
  using next = await world.lease('acme')
  expect(next.connection.preparedStatements).toBe(0)
})

it('is replaced though somebody always waits for it', async () => {
  await using world = await startWorld(['acme'], {
    maxConnections: 1,
    maxConnectionLifetimeMs: 300,
    maxStatementsPerConnection: 20,
  })
  const reasons = new Set<string>()
  world.router.on('closed', ({ reason }) => reasons.add(reason))
  const until = performance.now() + 5_000
  let distinct = 0
  const use = async () => {
    while (reasons.size < 2 && performance.now() < until) {
      using lease = await world.lease('acme')
      await lease.run({ text: `select ${reasons.has('statements') ? 0 : distinct++} as n` })
    }
  }
  await Promise.all([use(), use(), use()])
  expect([...reasons].sort()).toEqual(['lifetime', 'statements'])
})
