import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { OperatedWorld } from './operated-world.ts'

const WITHIN_MS = 5_000

it('a tenant whose own SQL changed the password of its login is served again within five seconds, and the audit tells', async () => {
  await using world = await OperatedWorld.start()
  const { service } = world
  await service.operate('/v1/servers', { body: { id: 'main', dsn: world.adminDsn } })
  const made = await service.operate('/v1/tenants', { body: { id: 'acme' } })
  expect(made.status).toBe(201)
  const key = await service.keyFor('acme')
  const ask = (sql: string) => service.ask('/v1/query', { key, body: { sql } })
  const { role, database } = (await ask('select current_user as role, current_database() as database')).json
    .rows[0]

  expect((await ask("alter role current_user password 'mine'")).status).toBe(200)
  await service.operate('/v1/tenants/acme/evict', { method: 'POST' })
  const changedAt = performance.now()
  // It may have been set again before the first answer: that it had to be, the audit tells.
  expect(['login_failed', undefined]).toContain((await ask('select 1 as one')).json.code)
  await vi.waitFor(async () => expect((await ask('select 1 as one')).status).toBe(200), {
    timeout: WITHIN_MS,
    interval: 50,
  })
  expect(performance.now() - changedAt).toBeLessThan(WITHIN_MS)

  const resets = world.audited().filter(({ action }) => action === 'tenant.login.reset')
  expect(resets.map(({ actor, target }) => [actor, target])).toEqual([['logins', 'acme']])
  const mine = new pg.Client(world.server.dsn(database, role, 'mine').replace(/\?.*$/, ''))
  await expect(mine.connect()).rejects.toMatchObject({ code: '28P01' })
})
